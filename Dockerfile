# Two stages: what is installed is built in the first, and the second holds nothing else. Every version is fixed by a
# hash (`make requirements`), and nothing is fetched when a container starts. To fix the base as well, give its digest:
# --build-arg BASE=python:3.12-slim-bookworm@sha256:...
ARG BASE=python:3.12-slim-bookworm

FROM ${BASE} AS builder
WORKDIR /build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_COMPILE=1
COPY deploy/image/build-requirements.txt deploy/image/requirements.txt ./
# pip and the build backend stay in an environment of their own, which is left behind.
RUN python3 -m venv /opt/build \
    && python3 -m venv --without-pip /opt/venv \
    && /opt/build/bin/pip install --require-hashes -r build-requirements.txt \
    && /opt/build/bin/pip --python /opt/venv/bin/python install --require-hashes -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
COPY principles ./principles
COPY examples ./examples
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /opt/build/bin/pip --python /opt/venv/bin/python install --no-deps /wheels/*.whl \
    && find /opt/venv -depth -type d -name tests -exec rm -r {} + \
    # Without bytecode every start compiles 600 modules, and a read-only container can never keep it.
    && /opt/venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/venv

FROM ${BASE}
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="kaiming-mcp" \
      org.opencontainers.image.description="Kaiming He's thinking style as MCP tools, with facts about your network" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.url="https://github.com/kaiming-mcp/kaiming-mcp" \
      org.opencontainers.image.source="https://github.com/kaiming-mcp/kaiming-mcp" \
      org.opencontainers.image.documentation="https://github.com/kaiming-mcp/kaiming-mcp/blob/main/docs/deploy.md" \
      io.modelcontextprotocol.server.name="io.github.kaiming-mcp/kaiming-mcp"
# A base may bring its own pip, and bring the standard library without bytecode.
RUN if python3 -m pip --version; then python3 -m pip uninstall --yes --root-user-action ignore pip; fi \
    && python3 -m compileall -q -j 0 -x '/(site|dist)-packages/|/(test|idlelib|lib2to3|ensurepip)/' \
       "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
COPY deploy/image/healthcheck.py /opt/healthcheck.py
COPY --from=builder /opt/venv /opt/venv
ENV PATH="/opt/venv/bin:${PATH}" PYTHONUNBUFFERED=1 PYTHONUTF8=1
USER 10001:10001
STOPSIGNAL SIGTERM
# Over stdio there is nothing to ask, and the check says healthy; over HTTP it asks /healthz.
HEALTHCHECK --interval=15s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-I", "-S", "/opt/healthcheck.py"]
ENTRYPOINT ["kaiming-mcp"]
