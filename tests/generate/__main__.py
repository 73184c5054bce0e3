"""Write what is generated into the package."""

from tests.generate import sync_client


def main() -> None:
    for path, text in sync_client.files().items():
        path.write_text(text)
    for path in sync_client.left_over():
        path.unlink()


if __name__ == "__main__":
    main()
