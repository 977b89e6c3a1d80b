# One image for all steps and for the service. SageMaker starts it as `docker run IMAGE train` or `… serve`, or with a
# step's command (`python3 -m jobmajor.steps evaluate`). Each of these is a program on PATH, so there is no ENTRYPOINT.
# Nothing is installed when a job starts, because jobs have no network.
#
#   docker build --platform linux/amd64 --tag jobmajor .

# The Python version that the tests use, for amd64 and arm64. The digest is what counts; renew both together, when Debian
# or Python has fixed something: docker buildx imagetools inspect public.ecr.aws/docker/library/python:3.11-slim-trixie
ARG PYTHON=public.ecr.aws/docker/library/python:3.11.16-slim-trixie@sha256:da047cb8f9d1d98e5c070f5300ba9f7274e33b8fc0e5be5ed88740aed1b95ba9

FROM ${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
COPY requirements-build.lock requirements-image.lock requirements-zig.lock ./
# The environment has no pip, so that nothing can be installed at run time.
RUN ["python3", "-m", "venv", "--without-pip", "/opt/jobmajor"]
RUN ["python3", "-m", "pip", "--python", "/opt/jobmajor", "install", "--require-hashes", "--no-deps", "--only-binary", ":all:", "--requirement", "requirements-image.lock"]
RUN ["python3", "-m", "pip", "install", "--require-hashes", "--no-deps", "--only-binary", ":all:", "--requirement", "requirements-build.lock"]
# The C compiler, since the base image has none; the compiled code has one library for each level of the processor.
RUN ["python3", "-m", "pip", "install", "--require-hashes", "--no-deps", "--only-binary", ":all:", "--requirement", "requirements-zig.lock"]
COPY pyproject.toml hatch_build.py image_sbom.py README.md LICENSE ./
COPY packages/sagelocal/pyproject.toml packages/sagelocal/hatch_build.py packages/sagelocal/README.md packages/sagelocal/LICENSE ./packages/sagelocal/
COPY src ./src
RUN ["python3", "-m", "pip", "wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", "wheels", "./packages/sagelocal", "."]
RUN ["python3", "-m", "pip", "--python", "/opt/jobmajor", "install", "--no-deps", "--no-index", "--find-links", "wheels", "sagelocal", "jobmajor"]
# What is in the image, for scanners: CycloneDX, made from the lock.
RUN ["python3", "image_sbom.py", "requirements-image.lock", "pyproject.toml", "/opt/jobmajor/share/sbom/jobmajor.cdx.json"]

FROM ${PYTHON} AS run
# SageMaker expects root: its agent makes the folders below /opt/ml for root only, and a job of another user can't write
# its results. For other platforms, --build-arg RUN_AS=10001 builds an image that doesn't run as root.
# Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
ARG RUN_AS=0
COPY --from=build /opt/jobmajor /opt/jobmajor
COPY --chmod=0755 image/train image/serve image/step /usr/local/bin/
RUN ["install", "--directory", "--mode=0777", "/opt/ml"]
ENV PATH=/opt/jobmajor/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/tmp \
    JOBMAJOR_OFFLINE=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
# SageMaker reads this label: the service listens on the port that SageMaker chooses.
LABEL com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true
WORKDIR /tmp
USER ${RUN_AS}
# SageMaker checks the service by /ping, and jobs have no health check.
HEALTHCHECK NONE
EXPOSE 8080
CMD ["serve"]
