"""A column as people write it: its name, or its number."""

# As the server has it: no file has more.
MAX_COLUMNS = 2_000


def column(written: str) -> str | int:
    """Digits are a number, unless no column can have it: `2` is the second one, `2024` is called so."""
    is_number = written.isascii() and written.isdecimal() and 1 <= int(written[:9]) <= MAX_COLUMNS
    return int(written) if is_number else written
