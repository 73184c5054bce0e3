"""Write what is generated into the package, and into the documentation."""

import tempfile
from pathlib import Path
from typing import Any

from jobyard.shared.config import Settings
from jobyard.shared.migrate import upgrade
from jobyard.web.app import create_app
from tests.generate import command_line_json, sync_client, typed_kinds

# A socket that nobody listens on: what is generated needs no broker.
NO_BROKER = "redis+socket:///nonexistent/redis.sock"


def main() -> None:
    for source in (typed_kinds, sync_client):
        for path, text in source.files().items():
            path.write_text(text)
    for path, text in command_line_json.files(openapi()).items():
        path.write_text(text)
    for path in sync_client.left_over():
        path.unlink()


def openapi() -> dict[str, Any]:
    """The document of a server that was never started."""
    with tempfile.TemporaryDirectory() as home:
        settings = Settings.load(home=Path(home), broker_url=NO_BROKER)
        upgrade(settings)  # an app looks into its database for whose storage it has
        app = create_app(settings)
        app.extensions["jobyard"].database.dispose()
        document: dict[str, Any] = app.api_doc
        return document


if __name__ == "__main__":
    main()
