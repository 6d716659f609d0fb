"""Is this source code?  Told by its lines, for languages that look like C, Python or both.

Prose, Markdown with code in fences, JSON, tables, logs and settings are not.
"""

from collections.abc import Sequence

import regex

LEAST_SHARE = 1 / 3
"""Of the texts, for a collection.  The rest loses nothing: on prose the code analyzer finds as much
as the other (docs/adr/0008)."""

_SAMPLE_TEXTS, _SAMPLE_CHARS = 400, 2_000
_LEAST_LINES = 3  # fewer lines of code in all prove nothing
_CODE_LINES = 0.4  # of the lines of a text

_NO_CODE = regex.compile(
    r"""(?xms)
    \"{3} .*? (?: \"{3} | \Z ) | '{3} .*? (?: '{3} | \Z ) | /\* .*? (?: \*/ | \Z )
    | ^[ \t]* (```|~~~) .*? (?: ^[ \t]*\1 | \Z )
    """
)
"""Docstrings and block comments are prose; fenced blocks belong to a text about code."""

_COMMENT = regex.compile(r"[ \t]*(?:\#|//|@)")
_SIGNS = (
    # def f(x):
    r"""(?: (?: async | export | default | public | private | protected | static | final | abstract
            | inline | pub | override | virtual ) [ \t]+ )*
        (?: def | class | fn | func | function | interface | struct | trait | enum | impl )
        [ \t]+ [\w(] [^.]* [({:\[,)]""",
    # import os
    r"(?: import | package | using | use ) [ \t]+ [\w.:*{}]+ ;? $",
    r"from [ \t]+ [\w.]+ [ \t]+ import \b | \# [ \t]* include [ \t]* [<\"]",
    # let x
    r"(?: const | let | var | auto | val ) [ \t]+ [\w{\[] .* [=;({]",
    # int x = 1;
    r"""(?: [\w<>\[\]*&:]+ [ \t]+ ){0,3} [\w.\[\]>*-]+ (?: : [ \t]* [\w\[\], |.]+ )?
        [ \t]* (?: [-+*/|&%:] | // | << | >> )? = (?!=) [ \t]* \S .* [\w)\]}"';,({\[\\] $""",
    # return x
    r"""(?: return | raise | throw | yield | await | del | assert | goto ) \b
        (?: [ \t]* ;? $ | .* [()\[\]{};=."'] | [ \t]+ [\w.-]+ $ )""",
    # if x:
    r"""(?: \} [ \t]* )? (?: if | elif | else | for | while | switch | try | except | catch | with
            | finally | do | match | case | unless | loop ) \b (?: .* [:{] $ | [ \t]* \( )""",
    # pass
    r"(?: pass | break | continue | end | else | try | finally ) [:;]? $",
    # a.f(x)
    r"(?: await [ \t]+ | new [ \t]+ )? \w+ (?: (?: \. | :: | -> ) \w+ )* \( .* [)({\[,;:] $",
    # f(); or int main() {
    r"""[^\s"] .* (?: [()=\[\]+] .* ; | [)\w] [ \t]* \{ ) $""",
)
_LINE = regex.compile(rf"(?x)[ \t]* (?: {' | '.join(_SIGNS)} )")
_CLOSING = regex.compile(r"[ \t]*[\])}]+[;,]?$")  # says nothing: JSON has it too


def is_code(text: str) -> bool:
    """Whether the lines of a text are for the greater part code; long texts by their start."""
    code, lines = _count(text)
    return lines > 0 and code >= _CODE_LINES * lines


def mostly_code(texts: Sequence[str]) -> bool:
    """Whether a collection is to be analysed as source code, from a sample of its texts."""
    sample = texts[:: -(-len(texts) // _SAMPLE_TEXTS) or 1]
    counts = [_count(text) for text in sample]
    codes = [code for code, lines in counts if lines and code >= _CODE_LINES * lines]
    told = sum(lines > 0 for _, lines in counts)
    return sum(codes) >= _LEAST_LINES and len(codes) >= LEAST_SHARE * told


def _count(text: str) -> tuple[int, int]:
    """Return how many lines look like code, and how many lines say what they are."""
    bare = _NO_CODE.sub("", text[:_SAMPLE_CHARS])
    lines = [line.rstrip() for line in bare.splitlines()]
    telling = [
        line for line in lines if line and not _COMMENT.match(line) and not _CLOSING.match(line)
    ]
    return sum(_LINE.match(line) is not None for line in telling), len(telling)
