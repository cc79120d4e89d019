# The images of docker-compose.yml: `platform` is everything but Superset, `superset` is the same with Superset beside it, in its own environment.
# Both come from the locks, with hashes; whoever runs in them is no root, and owns nothing but the home's volume.
ARG PYTHON=3.11.13-slim-bookworm

FROM python:${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /opt/energy-assets
COPY deploy/image/requirements.lock deploy/image/
RUN python -m venv .venv \
    && .venv/bin/python -m pip install --quiet --no-deps --require-hashes -r deploy/image/requirements.lock
COPY pyproject.toml README.md ./
COPY energy_assets energy_assets
COPY ml ml
COPY quality_suites quality_suites
COPY dbt_project dbt_project
COPY clickhouse_ddl clickhouse_ddl
COPY dashboards dashboards
# Compiled here: the user of the image may write nothing below, and would compile everything anew at each start.
RUN .venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable . \
    && .venv/bin/python -m compileall -q -j 0 energy_assets ml quality_suites \
    && .venv/bin/dbt --quiet parse --project-dir dbt_project --profiles-dir dbt_project

FROM build AS build-superset
RUN .venv/bin/python -c "from energy_assets.operations.dashboards.install import ensure_installed; ensure_installed(print)"

FROM python:${PYTHON} AS platform
RUN groupadd --gid 10001 energy \
    && useradd --uid 10001 --gid energy --no-create-home --home-dir /tmp --shell /usr/sbin/nologin energy \
    && install --directory --owner energy --group energy --mode 700 /srv/energy /srv/energy/utility /srv/energy/utility/landing
COPY --from=build /opt/energy-assets /opt/energy-assets
ENV PATH=/opt/energy-assets/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    ENERGY_HOME=/srv/energy \
    ENERGY_LISTEN_ADDRESS=0.0.0.0
WORKDIR /srv/energy
USER 10001:10001
VOLUME /srv/energy
ENTRYPOINT ["energy-assets"]
CMD ["--help"]

FROM platform AS superset
COPY --from=build-superset /opt/energy-assets/.venv/tools /opt/energy-assets/.venv/tools
