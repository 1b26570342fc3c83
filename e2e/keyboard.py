"""Somebody without a mouse: goes from stop to stop, and always sees where they are."""

from __future__ import annotations

from dataclasses import dataclass, field

from playwright.sync_api import Locator, Page

FARTHEST = 150

# A ring counts if it is drawn: an outline, or a shadow that the element has only with the focus.
_WHERE = """() => {
  const node = document.activeElement;
  if (!node || node === document.body) return { lost: true };
  const name = node.getAttribute("aria-label") ?? node.innerText ?? node.value ?? "";
  const { outlineStyle, outlineWidth, outlineColor } = getComputedStyle(node);
  const ringed = outlineStyle !== "none" && parseFloat(outlineWidth) >= 1
    && !/, 0\\)$|transparent/.test(outlineColor);
  const { left, top, width, height } = node.getBoundingClientRect();
  const [x, y] = [left + Math.min(width, innerWidth) / 2, top + Math.min(height, innerHeight) / 2];
  const above = document.elementFromPoint(x, y);
  return {
    lost: false,
    what: `<${node.localName}> ${name.trim().slice(0, 40)}`,
    ringed: ringed || node.tabIndex < 0,
    seen: Boolean(above) && (node.contains(above) || above.contains(node)
      || [...(node.labels ?? [])].some((label) => label.contains(above))),
  };
}"""

_COMPARED = """(node) => {
  const active = document.activeElement;
  if (node === active) return 0;
  return active.compareDocumentPosition(node) & Node.DOCUMENT_POSITION_PRECEDING
    && active !== document.body ? -1 : 1;
}"""


@dataclass
class Keyboard:
    """Their hands on a page. `stops` are all that had the focus on the way."""

    page: Page
    stops: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def press(self, *keys: str) -> Keyboard:
        """Press keys, one after the other."""
        for key in keys:
            self.page.keyboard.press(key)
        return self

    def type(self, text: str) -> Keyboard:
        """Type over whatever the field has."""
        self.page.keyboard.press("Control+a")
        self.page.keyboard.type(text)
        return self

    def looks(self) -> Keyboard:
        """Note where the focus is, and what is wrong with that."""
        where = self.page.evaluate(_WHERE)
        if where["lost"]:
            self.faults.append(f"the focus was lost after {self.stops[-1:]}")
            return self
        self.stops.append(where["what"])
        if not where["ringed"]:
            self.faults.append(f"nothing shows that {where['what']} has the focus")
        if not where["seen"]:
            self.faults.append(f"{where['what']} has the focus and is covered or out of sight")
        return self

    def to(self, target: Locator) -> Keyboard:
        """Go there by Tab, or back by Shift and Tab; each stop on the way is looked at."""
        for _ in range(FARTHEST):
            way = target.evaluate(_COMPARED)
            if way == 0:
                return self
            self.press("Tab" if way > 0 else "Shift+Tab").looks()
        raise AssertionError(f"the keyboard does not reach {target}; it went {self.stops[-30:]}")
