# One small image for all parts of a project on SageMaker, which starts it as `docker run IMAGE train` or `… serve`, or
# with a command of its own (`python3 -m jobmajor.steps evaluate`). Each part is a program on PATH, so there is no
# ENTRYPOINT. Nothing is installed when a job starts: jobs have no network.
#
#   docker build --platform linux/amd64 --tag jobmajor .

# The Python that the tests run on. A digest pins it for good: --build-arg PYTHON=…/python@sha256:…
ARG PYTHON=public.ecr.aws/docker/library/python:3.11-slim-trixie

FROM ${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements-build.lock requirements-image.lock ./
# The environment has no pip of its own: what runs later can't install anything.
RUN ["python3", "-m", "venv", "--without-pip", "/opt/jobmajor"]
RUN ["python3", "-m", "pip", "--python", "/opt/jobmajor", "install", "--require-hashes", "--no-deps", "--only-binary", ":all:", "--requirement", "requirements-image.lock"]
RUN ["python3", "-m", "pip", "install", "--require-hashes", "--no-deps", "--only-binary", ":all:", "--requirement", "requirements-build.lock"]
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN ["python3", "-m", "pip", "wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", "wheels", "."]
RUN ["python3", "-m", "pip", "--python", "/opt/jobmajor", "install", "--no-deps", "--no-index", "--find-links", "wheels", "jobmajor"]

FROM ${PYTHON} AS run
# Who runs it: not root. AWS's guide still describes images that run as root; should the service of some region refuse
# this one's writes below /opt/ml, --build-arg RUN_AS=0 takes that back without another change.
ARG RUN_AS=10001
COPY --from=build /opt/jobmajor /opt/jobmajor
COPY --chmod=0755 image/train image/serve image/step /usr/local/bin/
# Compiled code is made on the machine that runs it, for its own processor, and kept here as long as the container is.
RUN ["install", "--directory", "--mode=0777", "/var/cache/jobmajor", "/opt/ml"]
ENV PATH=/opt/jobmajor/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/var/cache/jobmajor \
    NUMBA_CACHE_DIR=/var/cache/jobmajor/numba \
    JOBMAJOR_OFFLINE=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
# What SageMaker reads: the image may hold one model or another, and its port may be said.
LABEL com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true
WORKDIR /var/cache/jobmajor
USER ${RUN_AS}
# The service asks /ping itself, and a job has nothing to ask.
HEALTHCHECK NONE
EXPOSE 8080
CMD ["serve"]
