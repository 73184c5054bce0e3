"""HTML that was left in a text: entities and tags."""

import html
import re
from html.entities import html5

# Entities end with a semicolon here: without one, "this&notthat" would lose a word. The commonest ones may
# lack it, as where a text was cut off.
_ENTITY = re.compile(
    "&(?:#[0-9]{1,7};|#[xX][0-9a-fA-F]{1,6};|([A-Za-z][A-Za-z0-9]{1,31};)|(?:amp|lt|gt|quot|nbsp)(?![A-Za-z0-9;=]))"
)
# "<3" and "<-" begin no tag, and "if a <b and c> d" has none: what is in one is a name="value". Nothing is
# tried twice, so that the time grows with the text.
_TAG = re.compile(r"</?+(?:([A-Za-z][A-Za-z0-9]*+)([\s/][^<>]*+)?>|!(?:--|(?i:doctype)\b)[^<>]*+>)")
# Of HTML 5, and some that browsers still know. People write other things in angle brackets: <user>.
NAMES = (
    "a abbr acronym address area article aside audio b base bdi bdo big blink blockquote body br button "
    "canvas caption center cite code col colgroup data datalist dd del details dfn dialog dir div dl dt em "
    "embed fieldset figcaption figure font footer form frame frameset h1 h2 h3 h4 h5 h6 head header hgroup "
    "hr html i iframe img input ins kbd label legend li link main map mark marquee menu meta meter nav nobr "
    "noscript object ol optgroup option output p param picture pre progress q rp rt ruby s samp script "
    "section select slot small source span strike strong style sub summary sup svg table tbody td template "
    "textarea tfoot th thead time title tr track tt u ul var video wbr"
)
ELEMENTS = frozenset(NAMES.split())


def without_html(text: str) -> str:
    """Entities become their characters, also those that were escaped twice; each tag and comment a space."""
    if "&" in text:
        text = _ENTITY.sub(_character, _ENTITY.sub(_character, text))
    return _TAG.sub(_gap, text) if "<" in text else text


def has_html(text: str) -> bool:
    """Whether there is any entity or tag in the text."""
    # Nearly always the first that looks like one is one.
    entity = _ENTITY.search(text)
    if entity is not None and (entity[1] is None or entity[1] in html5):
        return True
    tag = _TAG.search(text)
    if tag is not None and _is_tag(tag):
        return True
    return (entity is not None or tag is not None) and without_html(text) != text


def _character(found: re.Match[str]) -> str:
    if found[1] is not None:
        return html5.get(found[1], found[0])
    return html.unescape(found[0])


def _gap(found: re.Match[str]) -> str:
    return " " if _is_tag(found) else found[0]


def _is_tag(found: re.Match[str]) -> bool:
    name, rest = found.groups()
    return name is None or (
        name.lower() in ELEMENTS and ("=" in (rest or "=") or rest.strip(" \t\r\n\f/") == "")
    )
