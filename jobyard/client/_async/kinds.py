"""The part of the client that makes jobs of one kind."""

import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from jobyard.client import packing
from jobyard.client._async.job import AsyncJob
from jobyard.client._async.jobs import AsyncJobs
from jobyard.client.architectures import architecture_file
from jobyard.client.errors import BadRequest, Json
from jobyard.client.open_files import is_open_file, saved, temporary_folder
from jobyard.client.parameters import given
from jobyard.client.picture_inputs import pictures
from jobyard.client.runtime import AsyncRuntime
from jobyard.client.score_inputs import score_input
from jobyard.client.sources import is_folder, path_of
from jobyard.client.texts import listed
from jobyard.client.uploads import file_or_id

# How a job is marked: arguments of `submit`, and of the methods that make a job of one kind.
MARKS = ("name", "labels", "note", "keep")


class AsyncKinds(AsyncJobs):
    """What the methods of the client do that make a job of one kind; `typed_kinds` has these methods."""

    async def _train(
        self,
        dataset: str,
        *,
        architecture: str | Path | uuid.UUID | IO[Any] | None = None,
        priority: int | None = None,
        **spec: Any,
    ) -> AsyncJob:
        """Train on an imported data set, by name, `name@version` or id; returns the job.

        `architecture` is a network of your own: a path or an open file with what `model.to_json()` of Keras 3
        writes, or a `.keras` file, of which the architecture is uploaded; or an id. The defaults below are
        those of the network `efficientnet-lite0`; others have their own. The result of the job has "model",
        the reference of the trained model.
        """
        marks = _marks_of(spec)
        with ExitStack() as opened:
            network: Any = await _copied(architecture, opened, "architecture", "architecture.json")
            if network is not None and not isinstance(network, uuid.UUID):
                network = await AsyncRuntime.run(
                    opened.enter_context, architecture_file(path_of(network, "architecture"))
                )
            spec = {"dataset": dataset, "architecture": network, **spec}
            return await self.submit("train", given(spec), priority=priority, **marks)

    async def _predict(
        self,
        model: str,
        images: Any = None,
        *,
        dataset: str | None = None,
        archive: str | Path | uuid.UUID | IO[Any] | None = None,
        top: int | None = None,
        explain: bool | None = None,
        priority: int | None = None,
        **spec: Any,
    ) -> AsyncJob:
        """Predict pictures with a model, by name, `name@version`, `name@alias` or id; returns the job.

        The pictures are either `images`, a `dataset`, or an `archive` (a zip or tar: a path, an open file or
        an id; or a folder, every file of which is a row). `images` are one or several of: paths, folders and
        patterns as "photos/*.jpg"; open files and bytes; pictures of PIL; arrays of NumPy (height × width, or
        height × width × 1, 3 or 4, of uint8 or of floats from 0 to 1; or a batch of these); ids of files; in
        a list, a generator, or a series of pandas, polars or PyArrow. Each row keeps
        the `top` most probable classes, or all. With `explain`, each row of `job.predictions` names an
        overlay, which `job.download` saves. `name`, `labels`, `note` and `keep` are as for `submit`.
        """
        marks = _marks_of(spec)
        called: dict[str, str] = {}
        joined_to = None
        with ExitStack() as opened:
            packed: Any = await _copied(archive, opened, "archive", "pictures.zip")
            if is_folder(images) and packed is None:
                images, packed = None, images
            if images is not None:
                found = await AsyncRuntime.run(pictures, images, temporary_folder(opened))
                images, called, joined_to = found.files, found.names(), found.given
            if is_folder(packed):
                folder = Path(packed)
                inside = await AsyncRuntime.run(packing.files_in, [folder])
                if not inside:
                    raise BadRequest(f"archive: there are no files in {folder}")
                files = packing.named(inside, [folder])
                zipped = packing.packed(files, folder.resolve().name)
                packed = await AsyncRuntime.run(opened.enter_context, zipped)
            spec = {
                "model": model,
                "images": images,
                "dataset": dataset,
                "archive": None if packed is None else file_or_id(packed, "archive"),
                "top": top,
                "explain": explain,
                **spec,
            }
            job = await self.submit("predict", given(spec), priority=priority, **marks)
        return job._remember(joined_to, called)

    async def _evaluate(
        self, model: str, dataset: str, *, split: str | None = None, priority: int | None = None, **spec: Any
    ) -> AsyncJob:
        """Judge a model, by name, `name@version`, `name@alias` or id, on a data set; returns the job.

        `split` is "test", "validation", "train" or "all" of its pictures; by default test, else validation,
        else all. `name`, `labels`, `note` and `keep` are as for `submit`. The result of the job has
        "evaluation": accuracy, confusion, per_class, roc, calibration, …
        """
        marks = _marks_of(spec)
        spec = {"model": model, "dataset": dataset, "split": split, **spec}
        return await self.submit("evaluate", given(spec), priority=priority, **marks)

    async def _score(
        self,
        texts: Any = None,
        *,
        file: str | Path | uuid.UUID | IO[Any] | None = None,
        files: str | Path | Sequence[str | Path | uuid.UUID | IO[Any]] | None = None,
        column: str | int | Mapping[str, int] | None = None,
        group_by: str | int | Mapping[str, int] | None = None,
        sheet: str | None = None,
        delimiter: str | None = None,
        quote: str | None = None,
        header: str | None = None,
        skip_lines: int | None = None,
        null_values: Sequence[str] | None = None,
        encoding: str | None = None,
        errors: str | None = None,
        format: str | None = None,  # noqa: A002 - the spec's own word
        thresholds: dict[str, float] | None = None,
        lexicon: dict[str, float] | None = None,
        normalize: str | None = None,
        explain: bool | None = None,
        priority: int | None = None,
        wait: float | None = None,
        **spec: Any,
    ) -> AsyncJob:
        """Score the sentiment of texts, or of a file's column.

        `texts` is one text, or several: a list, a generator, an array of NumPy, a series of pandas, polars or
        PyArrow; or a data frame of any library, in which `column` names the texts and `group_by` the groups;
        or a path or an open file, as `file`. None, NaN and the like are rows without a text, which keep their
        places. If every text is the name of a table that exists, such as "may.csv", they are refused (use
        `file` or `files`); an iterator is always taken as texts: `iter([comment])`. Only the columns of a
        data frame that are needed are sent; `job.scores().to_pandas()` gives all of it back with the scores.
        Texts that are many, long or missing are sent as a file that the client writes.

        A file is a path, or a pattern as "data/*.csv", which is uploaded; an open file; an id; or an address
        (https://… or s3://…), from which the server fetches it if its settings allow that.
        `files` are several that are scored as one, with the name of each row's file in a column "source".
        `column` and `group_by` are names, or numbers from 1; where 5 is also the name of another column,
        {"number": 5} is the number and "5" the name. A file's dialect is detected, unless
        `delimiter`, `quote` ("double", "backslash" or "none"), `header` ("yes" or "no"), `skip_lines` or
        `null_values` set it; `sheet` names a workbook's sheet; `errors` is "fail" or "skip"; `format`, of the
        scored file, is "parquet", "csv" or "jsonl"; `thresholds` has the compound scores from which a text is
        "positive" and "negative"; `lexicon` maps words and emoji to their valences, from −4 to 4; `normalize`
        is "none", or "standard" to put into words what VADER can't see; `explain` is for texts. `wait`,
        `name`, `labels`, `note` and `keep` are as for `submit`. Returns the job.
        """
        marks = _marks_of(spec)
        spec = {
            "texts": texts,
            "file": file,
            "files": files,
            "column": column,
            "group_by": group_by,
            "sheet": sheet,
            "delimiter": delimiter,
            "quote": quote,
            "header": header,
            "skip_lines": skip_lines,
            "null_values": None if null_values is None else listed(null_values, "null_values"),
            "encoding": encoding,
            "errors": errors,
            "format": format,
            "thresholds": thresholds,
            "lexicon": lexicon,
            "normalize": normalize,
            "explain": explain,
            **spec,
        }
        with ExitStack() as opened:
            found = await AsyncRuntime.run(score_input, spec, opened)
            job = await self.submit("sentiment", found.spec, priority=priority, wait=wait, **marks)
        return job._remember(found.given)

    async def _import_pictures(
        self,
        name: str,
        source: str | Path | IO[Any],
        *,
        labels: str | None = None,
        allow_partial: bool | None = None,
        priority: int | None = None,
        **spec: Any,
    ) -> AsyncJob:
        """Make the data set `name` of an archive (zip, tar) or a folder, which is zipped and uploaded.

        `source` is a path, or an open file.

        `labels` says where the classes come from: "folders", or the "table" beside the pictures (labels.csv,
        metadata.csv or metadata.jsonl); by default the table, if there is one. Where more than a
        fifth of the files would be left out, the import fails, unless `allow_partial`. Returns the import
        job; its result has "dataset", the reference of the new version, "read_as", which says where the
        classes were found, and "warnings".
        """
        marks = _marks_of(spec)
        spec = given({"name": name, "labels": labels, "allow_partial": allow_partial, **spec})
        with ExitStack() as opened:
            folder = path_of(await _copied(source, opened, "source", "pictures.zip"), "source")
            if not is_folder(folder):
                return await self._import(spec, folder, priority, marks)
            files = await AsyncRuntime.run(packing.classes_in, folder)
            if not files:
                raise BadRequest(f"source: there are no files in {folder}")
            archive = await AsyncRuntime.run(opened.enter_context, packing.packed(files, name))
            return await self._import(spec, archive, priority, marks)

    async def _import(self, spec: Json, archive: Path, priority: int | None, marks: Json) -> AsyncJob:
        return await self.submit("import", spec | {"file": archive}, priority=priority, **marks)

    async def _add_model(
        self,
        path: str | Path | uuid.UUID | IO[Any],
        *,
        name: str,
        classes: Sequence[str],
        rescale: str | None = None,
        image_size: int | None = None,
        priority: int | None = None,
        **spec: Any,
    ) -> AsyncJob:
        """Register a model that Keras 3 saved elsewhere, as a `.keras` file (a path, an open file, or an id).

        `classes` are in the order of the network's outputs; `rescale` says what it expects pixels as ("0..1",
        "-1..1" or "none") where no layer of its own makes it of 0…255; `image_size` is for networks that take
        any. Returns the job; its result has "model", the reference of the new model, and "warnings".
        """
        marks = _marks_of(spec)
        spec = {
            "name": name,
            "classes": listed(classes, "classes"),
            "rescale": rescale,
            "image_size": image_size,
            **spec,
        }
        with ExitStack() as opened:
            file = file_or_id(await _copied(path, opened, "path", "model.keras"), "path")
            return await self.submit("register", {"file": file} | given(spec), priority=priority, **marks)

    async def _export_model(
        self,
        reference: str,
        format: str,  # noqa: A002 - the spec's own word
        *,
        quantize: str | None = None,
        force: bool | None = None,
        priority: int | None = None,
        **spec: Any,
    ) -> AsyncJob:
        """Make a file of a model in another format: "onnx", "tflite" or "savedmodel"; returns the job.

        `quantize`, of tflite, is "none", "float16" or "dynamic". A file that there is already is not made
        again, unless `force`. `download_model` saves it; the model's card says what it takes and gives.
        """
        marks = _marks_of(spec)
        spec = {"model": reference, "format": format, "quantize": quantize, "force": force, **spec}
        return await self.submit("export", given(spec), priority=priority, **marks)


async def _copied(file: Any, opened: ExitStack, argument: str, otherwise: str) -> Any:
    """The path of what is left to read of an open file; anything else as it is."""
    if not is_open_file(file):
        return file
    return await AsyncRuntime.run(saved, file, temporary_folder(opened), argument, otherwise)


def _marks_of(spec: Json) -> Json:
    """What `submit` takes beside the spec, taken out of what a method was given for it."""
    return {name: spec.pop(name) for name in MARKS if name in spec}
