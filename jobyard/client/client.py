"""The client: a method for each operation of the server."""

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

from jobyard.client import packing, submission, uploads
from jobyard.client.architectures import architecture_file
from jobyard.client.errors import BadRequest, Json
from jobyard.client.job import Job
from jobyard.client.lookups import whole_id
from jobyard.client.many import ManyJobs
from jobyard.client.texts import listed, texts_of
from jobyard.client.transport import Transport, given, segment
from jobyard.client.uploads import file_or_id
from jobyard.client.webhooks import Webhooks

# How a job is marked: arguments of `submit`, and of the methods that make a job of one kind.
MARKS = ("name", "labels", "note", "keep")


class Client(Webhooks, ManyJobs):
    """A Jobyard server, by its address and token.

        with Client("http://127.0.0.1:8642", token) as client:
            data = client.import_pictures("pets", "photos/").wait()
            training = client.train(data.result["dataset"], epochs=10).wait()
            client.predict(training.result["model"], ["rex.jpg"]).wait().result["predictions"]

    `timeout` is for each answer, in seconds. Every method raises a JobyardClientError whose message says what
    is wrong: ConnectionFailed if the server can't be reached, Refused for a wrong token, BadRequest for a
    wrong value, NotFound, Conflict or ServerError. Requests to an unreachable server are repeated for 2
    seconds, or for 30 if it has answered before; jobs are sent with an Idempotency-Key, so that none is made
    twice.

    JSON is returned as it is in the API: the field names in braces are its keys, and times are texts in RFC
    3339.
    """

    def __init__(self, url: str, token: str, *, timeout: float = 60.0) -> None:
        self._transport = Transport(url, token, timeout)
        self.url = self._transport.url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connections. Leaving the `with` block does this."""
        self._transport.close()

    def submit(
        self,
        kind: str,
        spec: Json,
        *,
        priority: int | None = None,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        note: str | None = None,
        keep: bool | None = None,
        idempotency_key: str | None = None,
        wait: float | None = None,
    ) -> Job:
        """Submit a job of any kind that `kinds` lists; fields that `spec` leaves out take their defaults.

        A Path anywhere in the spec is uploaded and replaced by the file's id; the rest is checked before, and
        what was uploaded is deleted if the job is refused. `priority` is 0 to 9; 9 runs first. `name` is what
        the job is called; without one, it is called by what it does. `labels` (at most 32) are what it
        belongs to, as {"team": "birds"}, `note` is for people, and with `keep` retention leaves the job.
        Requests with the same `idempotency_key` give the same job. With `wait`, the answer comes when the job
        has ended, or after so many seconds (at most 60), which saves short jobs a second request.

        Raises BadRequest for a wrong field, and Conflict if the key was used for a different request.
        """
        marks = given({"name": name, "labels": labels and dict(labels), "note": note, "keep": keep})
        made = submission.send(
            self._transport,
            kind,
            spec,
            priority=priority,
            marks=marks,
            idempotency_key=idempotency_key,
            wait=wait,
        )
        return self._job(made)

    def check(self, kind: str, spec: Json, *, priority: int | None = None) -> None:
        """Raise what `submit` would raise, but upload nothing and make no job.

        A Path stands for a file that would be uploaded, and must be readable; PENDING as the name of a data
        set for one that is yet to be imported.
        """
        submission.check(self._transport, kind, spec, priority=priority, marks={})

    def kinds(self) -> list[Json]:
        """The kinds of job of the server: [{kind, queue, title, description, schema}].

        `schema` is the JSON Schema of the kind's spec.
        """
        items: list[Json] = self._transport.get("/kinds")["items"]
        return items

    def train(
        self,
        dataset: str,
        *,
        architecture: str | Path | uuid.UUID | None = None,
        priority: int | None = None,
        **spec: Any,
    ) -> Job:
        """Train on an imported data set, by name, `name@version` or id; returns the job.

        `architecture` is a network of your own: a file with what `model.to_json()` of Keras 3 writes, or a
        `.keras` file, of which the architecture is uploaded; or an id. `spec` has the other fields of the
        job's spec (epochs=10, batch_size=64); left out, they take their defaults. `name`, `labels`, `note`
        and `keep` are as for `submit`. The result of the job has "model", the reference of the trained model.
        """
        marks = _marks_of(spec)
        with ExitStack() as opened:
            if architecture is not None and not isinstance(architecture, uuid.UUID):
                architecture = opened.enter_context(architecture_file(Path(architecture)))
            spec = {"dataset": dataset, "architecture": architecture, **spec}
            return self.submit("train", given(spec), priority=priority, **marks)

    def predict(
        self,
        model: str,
        images: Sequence[str | Path | uuid.UUID] | None = None,
        *,
        dataset: str | None = None,
        archive: str | Path | uuid.UUID | None = None,
        top: int | None = None,
        explain: bool | None = None,
        priority: int | None = None,
        **spec: Any,
    ) -> Job:
        """Predict pictures with a model, by name, `name@version`, `name@alias` or id; returns the job.

        The pictures are either `images` (paths, which are uploaded, or ids of files), a `dataset`, or an
        `archive` (a zip or tar: a path or an id; or a folder, every file of which is a row). Each row keeps
        the `top` most probable classes, or all. With `explain`, each row of `job.predictions` names an
        overlay, which `job.download` saves. `name`, `labels`, `note` and `keep` are as for `submit`.
        """
        marks = _marks_of(spec)
        with ExitStack() as opened:
            if not isinstance(archive, uuid.UUID | None) and Path(archive).is_dir():
                folder = Path(archive)
                files = packing.named(packing.files_in([folder]), [folder])
                archive = opened.enter_context(packing.packed(files, folder.resolve().name))
            spec = {
                "model": model,
                "images": None
                if images is None
                else [file_or_id(image) for image in listed(images, "images")],
                "dataset": dataset,
                "archive": None if archive is None else file_or_id(archive),
                "top": top,
                "explain": explain,
                **spec,
            }
            return self.submit("predict", given(spec), priority=priority, **marks)

    def evaluate(
        self, model: str, dataset: str, *, split: str | None = None, priority: int | None = None, **spec: Any
    ) -> Job:
        """Judge a model, by name, `name@version`, `name@alias` or id, on a data set; returns the job.

        `split` is "test", "validation", "train" or "all" of its pictures; by default test, else validation,
        else all. `name`, `labels`, `note` and `keep` are as for `submit`. The result of the job has
        "evaluation": accuracy, confusion, per_class, roc, calibration, …
        """
        marks = _marks_of(spec)
        spec = {"model": model, "dataset": dataset, "split": split, **spec}
        return self.submit("evaluate", given(spec), priority=priority, **marks)

    def score(
        self,
        texts: str | Iterable[str] | None = None,
        *,
        file: str | Path | uuid.UUID | None = None,
        files: Sequence[str | Path | uuid.UUID] | None = None,
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
    ) -> Job:
        """Score the sentiment of texts, or of a file's column.

        A file is a path, which is uploaded, an id, or an address (https://… or s3://…), from which the server
        fetches it if its settings allow that.

        `texts` is one text, a list or array of texts, or a column of a data frame without empty values.
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
            "texts": None if texts is None else texts_of(texts),
            "file": None if file is None else file_or_id(file),
            "files": None if files is None else [file_or_id(one) for one in listed(files, "files")],
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
        return self.submit("sentiment", given(spec), priority=priority, wait=wait, **marks)

    def import_pictures(
        self,
        name: str,
        source: str | Path,
        *,
        labels: str | None = None,
        allow_partial: bool | None = None,
        priority: int | None = None,
    ) -> Job:
        """Make the data set `name` of an archive (zip, tar) or a folder, which is zipped and uploaded.

        `labels` says where the classes come from: "folders", or the "table" beside the pictures (labels.csv,
        metadata.csv or metadata.jsonl); by default the table, if there is one. Where more than a
        fifth of the files would be left out, the import fails, unless `allow_partial`. Returns the import
        job; its result has "dataset", the reference of the new version, "read_as", which says where the
        classes were found, and "warnings".
        """
        source = Path(source)
        spec = given({"name": name, "labels": labels, "allow_partial": allow_partial})
        if not source.is_dir():
            return self._import(spec, source, priority)
        files = packing.classes_in(source)
        if not files:
            raise BadRequest(f"there are no files in {source}")
        with packing.packed(files, name) as archive:
            return self._import(spec, archive, priority)

    def _import(self, spec: Json, archive: Path, priority: int | None) -> Job:
        return self.submit("import", spec | {"file": archive}, priority=priority)

    def add_model(
        self,
        path: str | Path | uuid.UUID,
        *,
        name: str,
        classes: Sequence[str],
        rescale: str | None = None,
        image_size: int | None = None,
        priority: int | None = None,
        **spec: Any,
    ) -> Job:
        """Register a model that Keras 3 saved elsewhere, as a `.keras` file (a path, or a file's id).

        `classes` are in the order of the network's outputs; `rescale` says what it expects pixels as ("0..1",
        "-1..1" or "none") where no layer of its own makes it of 0…255; `image_size` is for networks that take
        any. Returns the job; its result has "model", the reference of the new model, and "warnings".
        """
        spec = {
            "file": file_or_id(path),
            "name": name,
            "classes": listed(classes, "classes"),
            "rescale": rescale,
            "image_size": image_size,
            **spec,
        }
        return self.submit("register", given(spec), priority=priority)

    def upload(self, path: str | Path) -> Json:
        """Upload a file, for a spec to refer to by its id: {id, name, bytes, sha256, media_type}."""
        path = Path(path)
        uploads.check_readable(path)
        return self._transport.upload(path, path.name)

    def files(self, *, limit: int = 50) -> Iterator[Json]:
        """All uploads, newest first: {id, name, bytes, sha256, jobs, kept_until, kept_because, …}.

        `jobs` is how many jobs read it. `kept_until` is when retention deletes it; where that is None,
        `kept_because` says why. They are fetched lazily, `limit` (1 to 1,000) at a time.
        """
        return self._transport.items("/files", limit=limit)

    def delete_file(self, file_id: str | uuid.UUID) -> None:
        """Delete an upload. Jobs that have ended and read it can't be retried any more.

        Raises NotFound, and Conflict while an unfinished job needs it.
        """
        self._transport.delete(f"/files/{segment(str(file_id))}")

    def job(self, job_id: str | uuid.UUID) -> Job:
        """A job by its id, by the beginning or end of one (at least 4 characters), or `@last`: your newest.

        An end is looked for among the newest 10,000 jobs. Raises NotFound, and BadRequest where several jobs
        have that beginning or end.
        """
        return self._job(self._transport.get(f"/jobs/{self.job_id(job_id)}"))

    def job_id(self, part: str | uuid.UUID) -> str:
        """The whole id for what `job` takes; one that is whole is not looked up. Raises as `job`."""
        try:
            return str(uuid.UUID(str(part)))
        except ValueError:
            return whole_id(self._transport, str(part))

    def jobs(
        self,
        *,
        q: str | None = None,
        label: str | Sequence[str] | Mapping[str, str] | None = None,
        kind: str | Sequence[str] | None = None,
        state: str | Sequence[str] | None = None,
        created_by: str | Sequence[str] | None = None,
        after: datetime | str | None = None,
        before: datetime | str | None = None,
        sort: str | None = None,
        parent: str | None = None,
        limit: int = 50,
    ) -> Iterator[Job]:
        """The jobs that meet every condition, or the parts of the job `parent`, newest first.

        `q` are words, all of which are in a job's name, labels or note, or in the names of its files, data
        sets and models. `label` are labels that it has, as {"team": "birds"} or "team:birds"; `kind`, `state`
        and `created_by`, the name of a token, are one or several, of which it has one. It was created at
        `after` or later, and earlier than `before`: moments, or dates as "2026-11-29". `sort` is "newest" or
        "oldest".

        They are fetched lazily, `limit` (1 to 200) at a time. Long values of `spec` and `result` are cut in a
        list; `raw["truncated"]` has their paths, and `refresh` gets the job whole.
        """
        if isinstance(label, Mapping):
            label = [f"{key}:{value}" for key, value in label.items()]
        asked: Json = {
            "q": q,
            "label": label,
            "kind": kind,
            "state": state,
            "created_by": created_by,
            "after": _moment(after),
            "before": _moment(before),
            "sort": sort,
        }
        return map(self._job, self._transport.items("/jobs", parent=parent, limit=limit, **asked))

    def compare(
        self, jobs: Sequence[Job | str | uuid.UUID], name: str | None = None, points: int | None = None
    ) -> Json:
        """One metric (by default val_accuracy) of several jobs, and the differences between their specs.

        {name, names, lower_is_better, jobs: [{id, label, state, points, best, last}], differences}, with at
        most `points` points {step, epoch, value} per job; `differences` has the value of each job by field.
        Raises NotFound, and BadRequest for too many jobs.
        """
        ids = ",".join(job.id if isinstance(job, Job) else str(job) for job in jobs)
        return self._transport.get("/metrics/compare", jobs=ids, name=name, points=points)

    def datasets(self) -> Iterator[Json]:
        """All versions of all data sets, newest first: {id, name, version, reference, classes, report, …}."""
        return self._transport.items("/datasets")

    def dataset(self, reference: str) -> Json:
        """A data set by name (its newest version), `name@version` or id. Raises NotFound."""
        return self._transport.get(f"/datasets/{segment(reference)}")

    def delete_dataset(self, reference: str) -> None:
        """Delete a data set, by `name@version` or id; a name alone is a BadRequest. Its models are kept.

        Raises NotFound, and Conflict while an unfinished job needs it.
        """
        self._transport.delete(f"/datasets/{segment(reference)}")

    def models(self) -> Iterator[Json]:
        """All versions of all models, newest first: {id, name, version, reference, aliases, accuracy, …}."""
        return self._transport.items("/models")

    def model(self, reference: str) -> Json:
        """A model by name (its newest version), `name@version`, `name@alias` (such as best) or id.

        Raises NotFound.
        """
        return self._transport.get(_model(reference))

    def model_card(self, reference: str) -> Json:
        """The card of a model: {classes, image_size, preprocessing, outputs, data, metrics, evaluation, …}.

        It has what is needed to use the model's file without this server. Raises NotFound.
        """
        return self._transport.get(f"{_model(reference)}/card")

    def evaluations(self, reference: str) -> Iterator[Json]:
        """All evaluations of a model on data sets, newest first: {dataset, split, pictures, accuracy, …}.

        Raises NotFound.
        """
        return self._transport.items(f"{_model(reference)}/evaluations")

    def export_model(
        self,
        reference: str,
        format: str,  # noqa: A002 - the spec's own word
        *,
        quantize: str | None = None,
        force: bool | None = None,
        priority: int | None = None,
    ) -> Job:
        """Make a file of a model in another format: "onnx", "tflite" or "savedmodel"; returns the job.

        `quantize`, of tflite, is "none", "float16" or "dynamic". A file that there is already is not made
        again, unless `force`. `download_model` saves it; the model's card says what it takes and gives.
        """
        spec = {"model": reference, "format": format, "quantize": quantize, "force": force}
        return self.submit("export", given(spec), priority=priority)

    def download_model(
        self,
        reference: str,
        path: str | Path,
        *,
        format: str = "keras",  # noqa: A002 - as above
        quantize: str = "none",
    ) -> Path:
        """Save a model's file as `path`, which is returned: `.keras`, or one that `export_model` has made.

        `quantize` is of tflite. Raises NotFound, also if there is no file of that format yet.
        """
        path = Path(path)
        asked = {"format": format, "quantize": quantize}
        which = "" if asked == {"format": "keras", "quantize": "none"} else f"?{urlencode(asked)}"
        self._transport.download(f"{_model(reference)}/file{which}", path)
        return path

    def delete_model(self, reference: str, *, aliases: Sequence[str] = ()) -> None:
        """Delete a model, by `name@version` or id. Its predictions are kept.

        `aliases` are those that people set for it, which are deleted with it. Raises NotFound, and Conflict
        while an unfinished job needs it, or if it has an alias that is not named.
        """
        query = f"?{urlencode({'alias': ','.join(aliases)})}" if aliases else ""
        self._transport.delete(f"{_model(reference)}{query}")

    def set_alias(self, name: str, alias: str, version: int) -> Json:
        """Set or move `name@alias` to this version of the model; returns the model.

        Raises NotFound, and BadRequest for an alias that the server sets (latest, best).
        """
        return self._transport.put(_alias(name, alias), {"version": version})

    def remove_alias(self, name: str, alias: str) -> None:
        """Remove `name@alias`; the model is kept. Raises NotFound."""
        self._transport.delete(_alias(name, alias))

    def queues(self) -> list[Json]:
        """The queues: [{name, depth, running, oldest_waiting_seconds, workers, paused_at, limit, …}]."""
        return list(self._transport.items("/queues"))

    def pause_queue(self, name: str, reason: str | None = None) -> Json:
        """Start no more jobs of a queue; those that run end normally. The reason is shown to who waits.

        Returns the queue. Raises NotFound.
        """
        return self._transport.post(f"/queues/{segment(name)}/pause", given({"reason": reason}))

    def resume_queue(self, name: str) -> Json:
        """Start jobs of a queue again; returns the queue. Raises NotFound."""
        return self._transport.post(f"/queues/{segment(name)}/resume")

    def limit_queue(self, name: str, limit: int | None) -> Json:
        """Let at most so many jobs of a queue run at once, or with None any number; returns the queue.

        Raises NotFound, and BadRequest for a limit below 1.
        """
        return self._transport.patch(f"/queues/{segment(name)}", {"limit": limit})

    def workers(self) -> list[Json]:
        """Running and draining workers: [{name, host, queue, version, draining_since, jobs, …}]."""
        return list(self._transport.items("/workers"))

    def drain_worker(self, name: str) -> Json:
        """Let a worker finish its jobs and claim no more; returns the worker. Raises NotFound."""
        return self._transport.post(f"/workers/{segment(name)}/drain")

    def undrain_worker(self, name: str) -> Json:
        """Let a worker claim jobs again; returns the worker. Raises NotFound."""
        return self._transport.post(f"/workers/{segment(name)}/undrain")

    def tokens(self, *, revoked: bool = False) -> Iterator[Json]:
        """The named tokens, newest first: {name, scope, created_at, created_by, expires_at, last_used_at, …}.

        With `revoked`, also those that were revoked. Raises Refused unless this client's token is an `admin`.
        """
        return self._transport.items("/tokens", revoked=str(revoked).lower())

    def create_token(
        self,
        name: str,
        scope: str,
        *,
        expires_seconds: int | None = None,
        max_queued: int | None = None,
    ) -> Json:
        """Make a token of scope "read", "submit" or "admin"; its "secret" is in this answer only.

        `max_queued` is how many of its jobs may be queued at once.

        Raises Conflict if there is a token of this name, and Refused as `tokens`.
        """
        return self._transport.post(
            "/tokens",
            {"name": name, "scope": scope}
            | given({"expires_seconds": expires_seconds, "max_queued": max_queued}),
        )

    def revoke_token(self, name: str) -> None:
        """End a token, and the logins that were made with it. Raises NotFound, and Refused as `tokens`."""
        self._transport.delete(f"/tokens/{segment(name)}")

    def audit(self, *, actor: str | None = None, action: str | None = None) -> Iterator[Json]:
        """What was changed for others, newest first: {at, actor, action, object, details}.

        Of the token `actor` only, or one `action` ("token.create"), or all of a noun ("token."). Raises
        Refused as `tokens`.
        """
        return self._transport.items("/audit", actor=actor, action=action)

    def _job(self, raw: Json) -> Job:
        return Job(self._transport, raw)


def _marks_of(spec: Json) -> Json:
    """What `submit` takes beside the spec, taken out of what a method was given for it."""
    return {name: spec.pop(name) for name in MARKS if name in spec}


def _moment(given: datetime | str | None) -> str | None:
    return given.isoformat() if isinstance(given, datetime) else given


def _model(reference: str) -> str:
    return f"/models/{segment(reference)}"


def _alias(name: str, alias: str) -> str:
    return f"/models/{segment(name)}/aliases/{segment(alias)}"
