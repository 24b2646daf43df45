# syntax=docker/dockerfile:1
# Two stages: the first builds (with whatever that takes), the second has only what runs.
FROM python:3.13-slim AS build
WORKDIR /build
COPY requirements/app.txt requirements/app.txt
RUN python -m venv /opt/ferrata && /opt/ferrata/bin/pip install --no-cache-dir --require-hashes -r requirements/app.txt
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY web web
COPY src src
RUN /opt/ferrata/bin/pip install --no-cache-dir --no-deps .

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /data ferrata && install --directory --owner ferrata --mode 0700 /data
COPY --from=build /opt/ferrata /opt/ferrata
ENV PATH=/opt/ferrata/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    FERRATA_DATA_DIR=/data \
    FERRATA_HOST=0.0.0.0 \
    FERRATA_PORT=3000
USER ferrata
WORKDIR /data
VOLUME /data
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['FERRATA_PORT'] + '/health/live', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["ferrata"]
CMD ["serve"]
