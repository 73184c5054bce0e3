"""All tables in one metadata: importing this is what makes it whole."""

from shared.database import Base

metadata = Base.metadata

__all__ = ["metadata"]
