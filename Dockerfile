# An image with revvlink only, from this checkout: for the exporter, for checks, and for any other command.
#   docker build -t revvlink .
#   docker run --rm revvlink demo
#   docker run -d -p 9870:9870 -e REVVLINK_URI=http://lavalink:2333 \
#     -e REVVLINK_PASSWORD_FILE=/run/secrets/lavalink_password \
#     -v ./password.txt:/run/secrets/lavalink_password:ro revvlink
# A whole fleet: mount its configuration, and add -e REVVLINK_CONFIG=/etc/revvlink/revvlink.toml instead of the node.
FROM python:3.13-slim-trixie AS build

WORKDIR /src
COPY . .
# The wheel is installed, not the checkout, so the next stage needs nothing of /src.
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
    && python -m venv /opt/revvlink \
    && /opt/revvlink/bin/pip install --no-cache-dir /wheels/*.whl

FROM python:3.13-slim-trixie

COPY --from=build /opt/revvlink /opt/revvlink
ENV PATH=/opt/revvlink/bin:$PATH \
    PYTHONUNBUFFERED=1

# The container writes no file unless a command is given one, so any user works. It must be able to read the password.
USER 65534:65534

# The container's health is that of its node: `docker ps` shows it, and `depends_on` with `condition: service_healthy`
# waits for it. revvlink times out before Docker does, so that the log of the health check has the reason.
HEALTHCHECK --interval=30s --timeout=15s --start-period=60s --retries=3 \
    CMD ["revvlink", "healthcheck", "--timeout", "10s"]

# The default command is the exporter for Prometheus; others are possible, such as `check` or `wait`.
EXPOSE 9870
ENTRYPOINT ["revvlink"]
CMD ["exporter", "--listen", ":9870"]
