"""The part of the client that is about data sets and models."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from jobyard.client._async.transport import AsyncTransport
from jobyard.client.errors import Json
from jobyard.client.parameters import query, segment


class AsyncRegistry:
    """Methods of the client."""

    _transport: AsyncTransport

    def datasets(
        self,
        *,
        name: str | None = None,
        source_sha256: str | None = None,
        labels: str | None = None,
        allow_partial: bool | None = None,
    ) -> AsyncIterator[Json]:
        """Versions of data sets, newest first: {id, name, version, reference, classes, report, …}.

        All, those of a `name`, or those that an import of the archive with this SHA-256 makes, with `labels`
        and `allow_partial` as for `import_pictures`: who finds one need not upload the archive again.
        """
        partial = None if allow_partial is None else str(allow_partial).lower()
        return self._transport.items(
            "/datasets", name=name, source_sha256=source_sha256, labels=labels, allow_partial=partial
        )

    async def dataset(self, reference: str) -> Json:
        """A data set by name (its newest version), `name@version` or id. Raises NotFound."""
        return await self._transport.get(f"/datasets/{segment(reference, 'reference')}")

    async def delete_dataset(self, reference: str) -> None:
        """Delete a data set, by `name@version` or id; a name alone is a BadRequest. Its models are kept.

        Raises NotFound, and Conflict while an unfinished job needs it.
        """
        await self._transport.delete(f"/datasets/{segment(reference, 'reference')}")

    def models(self) -> AsyncIterator[Json]:
        """All versions of all models, newest first: {id, name, version, reference, aliases, accuracy, …}."""
        return self._transport.items("/models")

    async def model(self, reference: str) -> Json:
        """A model by name (its newest version), `name@version`, `name@alias` (such as best) or id.

        Raises NotFound.
        """
        return await self._transport.get(_model(reference))

    async def model_card(self, reference: str) -> Json:
        """The card of a model: {classes, image_size, preprocessing, outputs, data, metrics, evaluation, …}.

        It has what is needed to use the model's file without this server. Raises NotFound.
        """
        return await self._transport.get(f"{_model(reference)}/card")

    def evaluations(self, reference: str) -> AsyncIterator[Json]:
        """All evaluations of a model on data sets, newest first: {dataset, split, pictures, accuracy, …}.

        Raises NotFound.
        """
        return self._transport.items(f"{_model(reference)}/evaluations")

    async def download_model(
        self,
        reference: str,
        path: str | Path,
        *,
        format: str = "keras",  # noqa: A002 - the word of the API
        quantize: str = "none",
    ) -> Path:
        """Save a model's file as `path`, which is returned: `.keras`, or one that `export_model` has made.

        `quantize` is of tflite. Raises NotFound, also if there is no file of that format yet.
        """
        path = Path(path)
        asked = {"format": format, "quantize": quantize}
        which = "" if asked == {"format": "keras", "quantize": "none"} else f"?{query(asked)}"
        await self._transport.download(f"{_model(reference)}/file{which}", path)
        return path

    async def delete_model(self, reference: str, *, aliases: Sequence[str] = ()) -> None:
        """Delete a model, by `name@version` or id. Its predictions are kept.

        `aliases` are those that people set for it, which are deleted with it. Raises NotFound, and Conflict
        while an unfinished job needs it, or if it has an alias that is not named.
        """
        which = f"?{query({'alias': ','.join(aliases)})}" if aliases else ""
        await self._transport.delete(f"{_model(reference)}{which}")

    async def set_alias(self, name: str, alias: str, version: int) -> Json:
        """Set or move `name@alias` to this version of the model; returns the model.

        Raises NotFound, and BadRequest for an alias that the server sets (latest, best).
        """
        return await self._transport.put(_alias(name, alias), {"version": version})

    async def remove_alias(self, name: str, alias: str) -> None:
        """Remove `name@alias`; the model is kept. Raises NotFound."""
        await self._transport.delete(_alias(name, alias))


def _model(reference: str) -> str:
    return f"/models/{segment(reference, 'reference')}"


def _alias(name: str, alias: str) -> str:
    return f"/models/{segment(name, 'name')}/aliases/{segment(alias, 'alias')}"
