"""Whether a merged file ends with a newline; git puts one before its markers, whatever the sides have there."""

from bot.model.resolutions import SideTexts


def ends_with_newline(sides: SideTexts) -> bool:
    """As the sides have it, and where they differ, as the change wants."""
    ours, theirs = (text is None or not text or text.endswith(b"\n") for text in (sides.ours, sides.theirs))
    if ours == theirs or sides.ancestor is None:
        return ours or theirs
    return not (not sides.ancestor or sides.ancestor.endswith(b"\n"))


def without_newline(text: bytes) -> bytes:
    """``text`` without the line end of its last line."""
    return text.removesuffix(b"\n").removesuffix(b"\r") if text.endswith(b"\n") else text
