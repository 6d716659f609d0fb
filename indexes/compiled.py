"""Functions that numba compiles, without an import of numba before the first call."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])


class _Compiled:
    """A function that is compiled when it is first called, by Python or by another such function.

    Machine code is kept in `__pycache__`, or in the user's cache folder where that cannot be
    written.  The cache of a function does not notice changes of the functions that it calls in
    other files: whoever edits them removes it, as `tests/conftest.py` does.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.plain = function

    def __call__(self, *arguments: Any) -> Any:
        return self._dispatcher(*arguments)

    @functools.cached_property
    def _dispatcher(self) -> Any:
        import numba

        # An array that is handed on without inlining costs seven arguments and a reference count.
        njit: Any = functools.partial(numba.njit, nogil=True, forceinline=True)
        try:
            return njit(self.plain, cache=True)
        except RuntimeError:  # no folder for the cache can be written
            return njit(self.plain)

    @property
    def _numba_type_(self) -> Any:
        """What numba asks a global that compiled code calls."""
        return self._dispatcher._numba_type_


def compiled(function: F) -> F:
    """Have numba compile a function in nopython mode, free of the GIL, at its first call.

    The plain function stays reachable as `.plain`, to step through it.
    """
    return cast(F, _Compiled(function))
