"""Functions that numba compiles, without an import of numba before the first call."""

import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])
log = logging.getLogger(__name__)


class _Compiled:
    """A function that is compiled when it is first called, by Python or by another such function.

    Machine code is kept in `__pycache__`, or in the user's cache folder where that cannot be
    written.  The cache of a function does not notice changes of the functions that it calls in
    other files: whoever edits them removes it, as `tests/conftest.py` does.

    Attributes
    ----------
    plain : callable
        What is compiled.
    py_func, targetoptions
        The same, and whether to put it into its callers, for numba.
    """

    def __init__(self, function: Callable[..., Any], inline: bool = False) -> None:
        functools.update_wrapper(self, function)
        self.plain = self.py_func = function
        self.targetoptions: dict[str, Any] = {"inline": "always"} if inline else {}

    def __call__(self, *arguments: Any) -> Any:
        return self._dispatcher(*arguments)

    @functools.cached_property
    def _dispatcher(self) -> Any:
        import numba

        _tell_of_compiling()
        # An array that is handed on without inlining costs seven arguments and a reference count.
        options = self.targetoptions or {"forceinline": True}
        njit: Any = functools.partial(numba.njit, nogil=True, **options)
        try:
            return njit(self.plain, cache=True)
        except RuntimeError:  # no folder for the cache can be written
            return njit(self.plain)

    @property
    def _numba_type_(self) -> Any:
        """What numba asks a global that compiled code calls."""
        return self._dispatcher._numba_type_


@functools.cache
def _tell_of_compiling() -> None:
    """Say once why nothing seems to happen, when no machine code is kept yet."""
    if not any((Path(__file__).parent / "__pycache__").glob("*.nbi")):
        log.warning("compiling the inner loops for this machine: some 20 s, this time only")


def inlined(function: F) -> F:
    """Have a compiled function contain this one: it has no machine code of its own.

    LLVM optimises what a function calls once more in each of its callers, and in theirs: of a large
    function with one caller or two that is most of the time that compiling takes.
    """
    return cast(F, _Compiled(function, inline=True))


def compiled(function: F) -> F:
    """Have numba compile a function in nopython mode, free of the GIL, at its first call.

    The plain function stays reachable as `.plain`, to step through it.
    """
    return cast(F, _Compiled(function))
