"""Write what is generated into the package."""

from tests.generate import sync_client, typed_kinds


def main() -> None:
    for source in (typed_kinds, sync_client):
        for path, text in source.files().items():
            path.write_text(text)
    for path in sync_client.left_over():
        path.unlink()


if __name__ == "__main__":
    main()
