"""The types of what people call a job and how they mark it: its name, its labels, its note."""

from typing import Annotated, Final

from pydantic import Field, StringConstraints

from jobyard.shared.jobs import MAX_LABELS
from jobyard.shared.kinds.fields import CONTROLS

NAME_CHARACTERS: Final = 200
NOTE_CHARACTERS: Final = 10_000

PRINTABLE: Final = rf"^[^{CONTROLS}]*$"
# At least one character that is not a space.
NAME: Final = rf"^[^{CONTROLS}]*[^{CONTROLS}\x20][^{CONTROLS}]*$"
KEY: Final = r"^[A-Za-z0-9][A-Za-z0-9_./-]{0,62}$"
NOTE: Final = r"^[^\x00]*$"
# What texts of these patterns should be.
MARKS_ARE: Final = {
    NAME: "should be on one line, with a character that is not a space and without control characters",
    PRINTABLE: "should be on one line, without control characters",
    KEY: "should be a letter or digit, then letters, digits, '_', '.', '/' and '-', at most 63, but is {}",
    NOTE: "should have no NUL character",
}

JobName = Annotated[
    str,
    StringConstraints(pattern=NAME, min_length=1, max_length=NAME_CHARACTERS),
    Field(description="What people call the job; without one it is called by what it does"),
]
LabelKey = Annotated[str, StringConstraints(pattern=KEY)]
LabelValue = Annotated[str, StringConstraints(pattern=PRINTABLE, max_length=255)]
Labels = Annotated[
    dict[LabelKey, LabelValue],
    Field(
        max_length=MAX_LABELS,
        description='What the job belongs to, to find it by: `{"team": "birds", "stage": "trial"}`',
    ),
]
Note = Annotated[
    str,
    StringConstraints(pattern=NOTE, max_length=NOTE_CHARACTERS),
    Field(description="What is to be remembered of the job, for people"),
]
