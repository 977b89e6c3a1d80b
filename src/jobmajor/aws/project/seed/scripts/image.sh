#!/bin/sh
# Prints the address, with its digest, of the image of one commit; builds and pushes it first unless it is there.
# Tags can't be moved in the repository, so a commit has one image for good, and a repeated build finds it.
#
#   sh scripts/image.sh REPOSITORY COMMIT
set -eu
repository=$1
tag=$2
registry=${repository%%/*}
name=${repository#*/}

digest() {
    aws ecr describe-images --repository-name "$name" --image-ids "imageTag=$tag" \
        --query 'imageDetails[0].imageDigest' --output text
}

if ! found=$(digest 2>/dev/null); then
    aws ecr get-login-password | docker login --username AWS --password-stdin "$registry" >&2
    DOCKER_BUILDKIT=1 docker build --platform linux/amd64 --provenance=false --tag "$repository:$tag" vendor/jobmajor >&2
    docker push "$repository:$tag" >&2
    found=$(digest)
fi
case $found in
sha256:*) echo "$repository@$found" ;;
*)
    echo "error: $repository has no digest for $tag (found '$found'): see the push above" >&2
    exit 1
    ;;
esac
