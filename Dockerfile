# The workflow with its locked environment; docs/container.md says how it is used.
FROM python:3.12-slim

RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /polarstem
# before the sources, so that an edit of these does not download everything again
COPY Makefile requirements.lock ./
RUN make setup

COPY . .
ENV PATH=/polarstem/.venv/bin:$PATH
ENTRYPOINT ["python", "-m", "polarstem"]
CMD ["--help"]
