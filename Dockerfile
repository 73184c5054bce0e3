# One image per kind of process, each with only the dependencies that it needs (docker build --target …):
#   web     the front; it also migrates the database         locks/web.txt
#   cpu     the cpu worker and the sweeper, no TensorFlow    locks/cpu.txt
#   gpu     the gpu and predict workers, TensorFlow on CPUs  locks/gpu.txt
#   cuda    the same with NVIDIA's libraries                 locks/cuda.txt
#   flower  monitoring                                       locks/flower.txt

ARG PYTHON_IMAGE=python:3.12.14-slim-trixie@sha256:f77ac9e44ae96ef2c90b8053ea08c31f8be030f824196b0ae4db6d462c84e51f

FROM ${PYTHON_IMAGE} AS base

# ---- the dependencies: one virtual environment per lock, exact versions, nothing compiled here

FROM base AS pip
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ONLY_BINARY=:all: \
    PIP_REQUIRE_HASHES=1
RUN python -m venv /venv
WORKDIR /locks

FROM pip AS pip-web
COPY locks/web.txt .
RUN /venv/bin/pip install --no-deps -r web.txt

FROM pip AS pip-cpu
COPY locks/cpu.txt .
RUN /venv/bin/pip install --no-deps -r cpu.txt

FROM pip AS pip-gpu
COPY locks/gpu.txt .
RUN /venv/bin/pip install --no-deps -r gpu.txt

FROM pip AS pip-cuda
COPY locks/cuda.txt .
RUN /venv/bin/pip install --no-deps -r cuda.txt

FROM pip AS pip-flower
COPY locks/flower.txt .
RUN /venv/bin/pip install --no-deps -r flower.txt

# ---- our own code, installed into a folder: with its metadata, by which kinds of job are found, and compiled,
# because the containers' file systems are read-only

FROM pip AS code
COPY locks/build.txt .
RUN /venv/bin/pip install --no-deps -r build.txt
WORKDIR /source
COPY pyproject.toml .
COPY README.md .
COPY LICENSE .
COPY NOTICE .
COPY jobyard/ jobyard/
COPY migrations/ migrations/
COPY shared/ shared/
COPY web/ web/
COPY workers/ workers/
# What is installed is this folder: it is in no index, and has no hash.
RUN PIP_NO_INDEX=1 PIP_ONLY_BINARY=:none: PIP_REQUIRE_HASHES=0 \
    /venv/bin/pip install --no-deps --no-build-isolation --target /app .
COPY docker/healthy.py /app/docker/
# The settings of the command alembic.
COPY pyproject.toml /app/

# ---- the images

FROM base AS house
ENV HOME=/home/jobyard \
    JOBYARD_HOME=/home/jobyard \
    PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1
# A new volume takes the owner of the folder that it is mounted on.
RUN groupadd --gid 10001 jobyard \
    && useradd --uid 10001 --gid jobyard --home-dir /home/jobyard --shell /usr/sbin/nologin jobyard \
    && install -d -o jobyard -g jobyard -m 0700 /home/jobyard /storage
WORKDIR /app
USER jobyard

FROM house AS web
COPY --from=pip-web /venv /venv
COPY --from=code /app /app
CMD ["gunicorn", "-c", "python:jobyard.web.gunicorn", "jobyard.web.app:create_app()"]

FROM house AS cpu
COPY --from=pip-cpu /venv /venv
COPY --from=code /app /app
CMD ["python", "-m", "jobyard.workers", "cpu"]

FROM house AS gpu
COPY --from=pip-gpu /venv /venv
COPY --from=code /app /app
CMD ["python", "-m", "jobyard.workers", "gpu"]

FROM house AS cuda
COPY --from=pip-cuda /venv /venv
COPY --from=code /app /app
CMD ["python", "-m", "jobyard.workers", "gpu"]

FROM house AS flower
COPY --from=pip-flower /venv /venv
COPY --from=code /app /app
CMD ["python", "-m", "jobyard.workers", "flower"]
