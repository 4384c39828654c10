# examples/hello.yaml as a person would write it, for `scripts/bench`: the same commands as the
# recipe's steps, one layer each, in the same environment image, by the same user.
FROM env AS build
# Changed to make all steps run.
ARG NONCE
ARG MIRROR
ENV NONCE=$NONCE HOME=/home/build SOURCE_DATE_EPOCH=0 \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/bin:/usr/sbin:/sbin:/bin
USER 0:0
RUN mkdir -p /home/build/out/hello /home/build/out/hello-doc /home/build/out/hello-lang \
 && chown -R 1000:1000 /home/build
USER 1000:1000
WORKDIR /home/build

RUN wget --output-document=hello-2.10.tar.gz "$MIRROR/hello/hello-2.10.tar.gz" \
 && echo "31e066137a962676e89f69d1b65382de95a7ef7d914b8cb956f41ea72e0f516b  hello-2.10.tar.gz" | sha256sum -c \
 && tar -x -f hello-2.10.tar.gz --strip-components=1 --no-same-owner

RUN ./configure \
      --host=x86_64-pc-linux-gnu \
      --build=x86_64-pc-linux-gnu \
      --prefix=/usr \
      --sysconfdir=/etc \
      --libdir=/usr/lib \
      --mandir=/usr/share/man \
      --infodir=/usr/share/info \
      --localstatedir=/var

RUN make -j"$(nproc)" V=1

RUN make install DESTDIR=/home/build/out/hello V=1 \
 && find /home/build/out/hello -name '*.la' -delete

RUN cd out/hello \
 && scanelf --recursive --nobanner --etype ET_DYN,ET_EXEC --format '%F' . \
    | while read -r file; do strip -g "$file"; done

RUN cd out/hello \
 && rm -f usr/share/info/dir \
 && mkdir -p ../hello-doc/usr/share \
 && mv usr/share/info usr/share/man ../hello-doc/usr/share/

RUN cd out/hello \
 && mkdir -p ../hello-lang/usr/share \
 && mv usr/share/locale ../hello-lang/usr/share/

FROM scratch
COPY --from=build /home/build/out/hello/ /hello/
COPY --from=build /home/build/out/hello-doc/ /hello-doc/
COPY --from=build /home/build/out/hello-lang/ /hello-lang/
