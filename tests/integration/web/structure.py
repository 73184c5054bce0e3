"""What those who don't see a page need of it: ordered headings, ids of one element, names of controls."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

NAMELESS = frozenset({"hidden", "submit"})


def faults(page: str) -> list[str]:
    """What is wrong with it; a fragment of a page has no faults that only a page has."""
    parser = _Structure()
    parser.feed(page)
    return parser.faults("<html" in page)


@dataclass
class _Structure(HTMLParser):
    headings: list[int] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    labelled: set[str] = field(default_factory=set)
    # Inputs without a name of their own, by their ids.
    controls: list[str] = field(default_factory=list)
    nameless: list[str] = field(default_factory=list)
    # Of each button, link and summary that is open: what it is, and whether it has a name by now.
    open: list[tuple[str, str, bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def faults(self, whole: bool) -> list[str]:
        found = [f"there are several {one!r}" for one in {*self.ids} if self.ids.count(one) > 1]
        found += [f"without a label: {one}" for one in self.controls if one not in self.labelled]
        found += [f"without a name: {one}" for one in self.nameless]
        if whole and self.headings.count(1) != 1:
            found.append(f"{self.headings.count(1)} headings of the page")
        found += [
            f"a heading of level {after} follows one of level {before}"
            for before, after in zip(self.headings, self.headings[1:], strict=False)
            if after > before + 1
        ]
        return found

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag in ("h1", "h2", "h3", "h4", "h5", "h6"):
            self.headings.append(int(tag[1]))
        if one := given.get("id"):
            self.ids.append(one)
        if tag == "label" and (target := given.get("for")):
            self.labelled.add(target)
        is_control = tag in ("input", "select", "textarea") and given.get("type") not in NAMELESS
        if is_control and not given.get("aria-label"):
            self.controls.append(given.get("id") or self.get_starttag_text() or tag)
        if tag in ("button", "a", "summary"):
            written = self.get_starttag_text() or tag
            self.open.append((tag, written, bool(given.get("aria-label"))))
        if tag == "img" and given.get("alt"):
            self._name()

    def handle_data(self, data: str) -> None:
        if data.strip():
            self._name()

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1][0] == tag:
            _, written, has_name = self.open.pop()
            if not has_name:
                self.nameless.append(written)

    def _name(self) -> None:
        self.open[:] = [(tag, written, True) for tag, written, _ in self.open]
