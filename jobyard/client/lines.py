"""Texts of others on one line."""


def on_a_line(text: str) -> str:
    """What a file, a name or a result holds must not move the cursor of a terminal."""
    return "".join(character for character in " ".join(text.split()) if character.isprintable())
