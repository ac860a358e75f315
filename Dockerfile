# Two stages: the wheel and its dependencies are installed into a virtual environment, and only that
# environment is copied. Nothing is fetched when the container starts.
ARG BASE=python:3.12-slim

FROM ${BASE} AS builder
WORKDIR /build
RUN python3 -m venv /opt/venv
ENV PATH="/opt/venv/bin:${PATH}" PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
COPY principles ./principles
COPY examples ./examples
RUN pip install . \
    # Without bytecode every start compiles 600 modules: 0.6 s instead of 0.4 s.
    && python -m compileall -q -j 0 /opt/venv \
    && pip uninstall --yes pip

FROM ${BASE}
LABEL org.opencontainers.image.title="kaiming-mcp" \
      org.opencontainers.image.description="Kaiming He's thinking style as MCP tools, with facts about your network" \
      org.opencontainers.image.licenses="MIT" \
      io.modelcontextprotocol.server.name="io.github.kaiming-mcp/kaiming-mcp"
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin kaiming
COPY --from=builder /opt/venv /opt/venv
ENV PATH="/opt/venv/bin:${PATH}" PYTHONUNBUFFERED=1 PYTHONUTF8=1
USER 10001
STOPSIGNAL SIGTERM
ENTRYPOINT ["kaiming-mcp"]
