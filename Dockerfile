# joyvasa serve on processors alone, as a user who may do nothing else:
#
#   docker build -t joyvasa-serve .
#   docker run --rm -p 127.0.0.1:8000:8000 -e JOYVASA_TOKEN=... joyvasa-serve
FROM python:3.12-slim AS build
COPY . /source
RUN /source/scripts/install_server.sh /opt/joyvasa

FROM python:3.12-slim
RUN useradd --create-home --uid 10001 joyvasa
COPY --from=build /opt/joyvasa /opt/joyvasa
ENV PATH=/opt/joyvasa/bin:$PATH
USER joyvasa
WORKDIR /home/joyvasa
EXPOSE 8000
HEALTHCHECK --start-period=60s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz')"]
ENTRYPOINT ["joyvasa", "serve", "--host", "0.0.0.0"]
