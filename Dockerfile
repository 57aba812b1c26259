# Every image of this project. `scripts/build_image` calls it with the labels' arguments; by hand:
#
#   docker build --tag trainer .                                trains on processors
#   docker build --tag trainer --build-arg ACCELERATOR=gpu .    TensorFlow with its CUDA packages
#   docker build --tag trainer --build-arg ACCELERATOR=jax .    Keras on JAX with CUDA; TensorFlow exports
#   docker build --tag trainer-test --target test .             checks and tests, on top of what trains
#
# The tag follows Debian's security updates. For the same bytes in a year: --build-arg BASE_DIGEST=@sha256:…
ARG BASE_IMAGE=python:3.11-slim-bookworm
ARG BASE_DIGEST=
ARG ACCELERATOR=cpu


# The packages, before any code: a change of code finds this stage, the slow one, in the cache.
FROM ${BASE_IMAGE}${BASE_DIGEST} AS packages
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
# hadolint ignore=DL3008
RUN apt-get update -qq && apt-get install -qq -y --no-install-recommends binutils && rm -rf /var/lib/apt/lists/*
ENV PIP_CACHE_DIR=/pip-cache PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore
# Without pip: what trains can't install anything.
RUN python -m venv --without-pip /opt/venv
WORKDIR /opt/venv/lib/python3.11/site-packages
ARG ACCELERATOR
COPY requirements-${ACCELERATOR}.lock /tmp/requirements.lock
# Left out, since nothing that runs reads it: TensorFlow's C++ headers, what compiled modules were made of, symbols for a
# debugger, the packages' own tests, the pages of TensorBoard. Kept are the symbols of packages with a folder *.libs: their
# libraries were patched after they were linked, and strip would break some.
RUN --mount=type=cache,target=/pip-cache \
    python -m pip --python /opt/venv/bin/python install --no-compile --no-deps --only-binary :all: --require-hashes \
        --requirement /tmp/requirements.lock \
    && rm -r tensorflow/include tensorboard/webfiles.zip \
    && find . -type f \( -name '*.c' -o -name '*.pyx' \) -delete \
    && find tensorflow cryptography fontTools kiwisolver matplotlib rfc3161_client wrapt yaml -name '*.so*' -type f \
        -exec strip --strip-unneeded {} + \
    && find google/genai matplotlib numpy scipy securesystemslib sklearn -type d \( -name tests -o -name test_data \) \
        -prune -exec rm -r {} +
# Nothing can be written beside the modules later: those that a training imports are compiled now, and not all, which
# would take 150 MB more.
RUN CUDA_VISIBLE_DEVICES='' TF_CPP_MIN_LOG_LEVEL=2 /opt/venv/bin/python -c "import google.cloud.storage.transfer_manager, \
    jinja2, keras, matplotlib.figure, matplotlib.backends.backend_agg, model_signing, pydantic, requests, rich.progress, \
    sklearn.metrics, tensorboard.summary, tensorflow, yaml"


# What checks and tests need: an environment on top of the one that trains, which stays as it is. TensorFlow is there
# already, as another package.
FROM packages AS test-packages
COPY requirements-dev.lock /tmp/requirements-dev.lock
RUN --mount=type=cache,target=/pip-cache \
    python -m venv --without-pip /opt/test-venv \
    && echo /opt/venv/lib/python3.11/site-packages > /opt/test-venv/lib/python3.11/site-packages/what_trains.pth \
    && sed '/^tensorflow==/,/[^\\]$/d' /tmp/requirements-dev.lock > /tmp/requirements-test.lock \
    && python -m pip --python /opt/test-venv/bin/python install --no-compile --no-deps --only-binary :all: \
        --require-hashes --requirement /tmp/requirements-test.lock


FROM packages AS code
COPY trainer /opt/trainer/trainer
# Whatever the permissions of the checkout: every user can read, nobody can write.
RUN chmod -R a+rX,a-w /opt/trainer && python -m compileall -q --invalidation-mode unchecked-hash /opt/trainer


FROM ${BASE_IMAGE}${BASE_DIGEST} AS settings-cpu
ENV KERAS_BACKEND=tensorflow

# Where a host puts the driver, and what the NVIDIA runtime is to bring: as NVIDIA's own images say it.
FROM ${BASE_IMAGE}${BASE_DIGEST} AS settings-gpu
ENV KERAS_BACKEND=tensorflow \
    LD_LIBRARY_PATH=/usr/local/nvidia/lib:/usr/local/nvidia/lib64 \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    NVIDIA_VISIBLE_DEVICES=all

FROM settings-gpu AS settings-jax
ENV KERAS_BACKEND=jax


# hadolint ignore=DL3006
FROM settings-${ACCELERATOR} AS runtime
RUN groupadd --gid 10001 trainer \
    && useradd --uid 10001 --gid trainer --no-create-home --home-dir /tmp --shell /usr/sbin/nologin trainer \
    && install --directory --owner trainer --group trainer /work
COPY --from=packages /opt/venv /opt/venv
COPY --from=code /opt/trainer /opt/trainer
# /tmp is the one folder that has to be writable. PYTHONSAFEPATH: a folder called trainer where a run stands is not ours.
ENV HOME=/tmp \
    PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPATH=/opt/trainer \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
# Paths that are not absolute, such as the default of --output-dir, lie here.
WORKDIR /work
ENTRYPOINT ["python", "-m", "trainer.task"]


FROM runtime AS test
USER 0
COPY --from=test-packages /opt/test-venv /opt/test-venv
COPY . /opt/trainer
RUN ln -s /opt/test-venv /opt/trainer/.venv && chmod -R a+rX,a-w /opt/trainer
ENV HYPOTHESIS_STORAGE_DIRECTORY=/tmp/hypothesis \
    MYPY_CACHE_DIR=/tmp/mypy \
    PATH=/opt/test-venv/bin:$PATH \
    PYTEST_ADDOPTS="-p no:cacheprovider" \
    RUFF_CACHE_DIR=/tmp/ruff
USER 10001:10001
ENTRYPOINT ["/opt/trainer/scripts/check"]


# The last stage is what `docker build` makes when it is not asked for another. It adds words only, no file: a new commit
# changes no layer.
FROM runtime AS train
ARG REVISION=
ARG VERSION=
ARG SOURCE=
ENV TRAINER_COMMIT=$REVISION
LABEL org.opencontainers.image.title="fashion-mnist-trainer" \
      org.opencontainers.image.revision=$REVISION \
      org.opencontainers.image.version=$VERSION \
      org.opencontainers.image.source=$SOURCE
