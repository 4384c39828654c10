//! Tests of `workspace_data.rs`: commands of real recipes, and traps.

use super::*;

const TARGETS: [&str; 7] = [
    "/home/build/go/pkg/mod",
    "/home/build/.cache/go-build",
    "/home/build/.cache/pip",
    "/home/build/.npm",
    "/home/build/.cargo/registry",
    "/home/build/.cargo/git",
    "/home/build/.ccache",
];

fn script<'a>(text: &'a str, working_directory: &'a str) -> Script<'a> {
    let variables = vec![("TOP_OF_RECIPE", "/home/build"), ("PART_OF_RECIPE", "/home/build/part")];
    Script { text, working_directory, variables }
}

fn found(text: &str, directory: &str) -> Option<String> {
    script(text, directory).takes_workspace(&TARGETS)
}

#[test]
fn scripts_that_take_the_root_are_found() {
    for script in [
        "git clean -fdx .",
        "git -C /home/build clean -fd",
        "cp -r . /tmp/copy",
        "cp -r . $SRCDIR/",
        "cp -a ./* \"$dest\"/",
        "cd $src\ncp -R \"$(pwd)\" ../x",
        "mkdir d && cp -r ./. d",
        "cp -t /tmp/x -r .",
        "tar -czf ../all.tgz .",
        "tar c . | tar x -C out",
        "tar cf - --exclude=bpf-build . | tar xC bpf-build",
        "find . -name '*.la' -delete",
        "find -name x",
        "find ./ -type f -print -exec install -Dm644 {} /x/{} \\;",
        "for f in $(find . -type f); do echo $f; done",
        "find . -type f \\\n  | xargs sed -i s/a/b/",
        "mv * /tmp/x/",
        "mv .* /tmp/x/",
        "rm -rf *",
        "rm -rf ./*",
        "chmod -R u+w \"$HOME\"",
        "chown -R 1000:1000 .",
        "chown -R build /home",
        "LC_ALL=C grep -rl foo .",
        "git add -A",
        "git add .",
        "git stash -u",
        "git ls-files --others",
        "rsync -a ./ /tmp/x",
        "rsync -av --exclude='melange-out' /home/build/* /x",
        "zip -r /tmp/x.zip .",
        "zip -qr x.zip *",
        "7z a x.7z .",
        "du -sh",
        "du -s . | cut -f1",
        "if find ${PWD} -name x; then :; fi",
        "for d in . packages/*; do x $d; done",
        "for bin in *; do echo $bin; done",
        "for d in */; do echo $d; done",
        "ls | wc -l",
        "n=$(ls -A)",
        "ls -R",
        "ls > list",
        "gofmt -w .",
        "npm pack",
        "cargo package --allow-dirty",
    ] {
        assert!(found(script, "/home/build").is_some(), "{script}");
    }
}

#[test]
fn quotes_and_detours_hide_nothing() {
    for script in [
        "tar --exclude='a;b' -c .",
        "timeout 9 tar --exclude='a;b' -c .",
        "tar --exclude=\"(x|y)\" -cf /tmp/x .",
        "sh -c 'cd /; cp -r /home/build /x'",
        "bash -ec \"find . -type f\"",
        "eval \"cp -r . /x\"",
        "timeout 60 find . -name x",
        "echo it's; cp -r \".\" '/x'",
        "sed -i 's/ #.*//' x && cp -r . y",
        "'cp' -r \"${PWD}\" x",
        "\"find\" \".\"",
        "SRC=$(pwd)\ncd /tmp\ncp -r $SRC x",
        "export TOP=\"$PWD\"; tar -cf x -C / \"${TOP}\"",
        "local src=/home/build; cp -r \"$src/.\" x",
        "xargs -0 cp -r . < x",
        "sudo -u me chown -R me .",
        "env -i A=b /usr/bin/find .",
        "while read f; do rm -rf *; done",
        "{ cp -r . x; }",
        "cat <<EOF | sh\nfind . -delete\nEOF",
        "cp -r {.,x} y",
        "cp -r ../build/. y",
    ] {
        assert!(found(script, "/home/build").is_some(), "{script}");
    }
}

#[test]
fn roots_by_other_names_are_found() {
    for script in [
        "grep -rl foo | xargs sed -i s/a/b/",
        "sed -i s/a/b/ $(grep -rl foo)",
        "egrep -R foo > list",
        "grep -r -e foo",
        "rg foo",
        "cd src\nfind .. -type f",
        "cd src; cp -r ../. /x",
        "cd src\ncp -r ../* /x",
        "cd src\ntar -C .. -cf x .",
        "cd a/b\n(cd ..; cp -r .. /x)",
        "cp -r $TOP_OF_RECIPE /x",
        "cp -r ${TOP_OF_RECIPE}/. /x",
        "cp -r $PART_OF_RECIPE/.. /x",
        "cp -r ${SRCDIR:-.} /x",
        "TOP=$PWD; B=$TOP; cd /tmp; cp -r $B /x",
        "f() {\n cp -r $B /x\n}\nTOP=$PWD\nB=$TOP\nf",
        "echo * > list",
        "printf '%s\\n' *",
        "set -- *",
        "sha256sum *",
        "sha256sum ./**/*",
        "scanelf -R .",
        "jar cf x.jar .",
        "python3 -m tarfile -c x .",
        "7zz a x .",
        "gtar cf x .",
        "someprogram --all .",
        "someprogram $PWD/",
        "timeout 60 someprogram -v \".\"",
        "someprogram /home/build > x",
        "someprogram ~/.cargo",
        "cp -r $(realpath .) x",
        "cp -r $(flags x) . y",
        "someprogram $(flags $(more)) .",
        "md5sum $(basename data) .* > x 2>&1 || :",
    ] {
        assert!(found(script, "/home/build").is_some(), "{script}");
    }
    for (directory, script) in [
        ("/home/build/src", "find .. -type f"),
        ("/home/build/src", "cp -r ../* /x"),
        ("/home/build/src/a", "tar cf x ../.."),
        ("/home/build/go", "find . -type f"),
        ("/home/build/go", "cp -r . /x"),
        ("/home/build/go/pkg", "ls | wc -l"),
        ("/home/build/.cargo", "tar cf /x ."),
        ("/home", "cp -r build/.npm x"),
    ] {
        assert!(found(script, directory).is_some(), "{directory}: {script}");
    }
}

#[test]
fn ordinary_builds_keep_their_mounts() {
    for script in [
        "cmake -B build -S . -G Ninja && cmake --build build",
        "mkdir build && cd build\ncmake ..\nmake -j$(nproc)",
        "meson setup . output",
        "ninja -C .",
        "./configure --prefix=/usr --srcdir=.",
        "autoreconf -fi .",
        "pip install .",
        "pip3.12 install --no-deps --prefix=/usr .",
        "python3 -m pip install .",
        "uv pip install .",
        "gpep517 build-wheel --wheel-dir dist",
        "go build -o bin/x ./...",
        "go test ./... && go vet ./...",
        "go install -v ./cmd/...",
        "GOFLAGS=-mod=mod go build -ldflags='-s -w * .' .",
        "cargo install --path .",
        "cargo build --release --manifest-path ./Cargo.toml",
        "npm install -g --prefix /x .",
        "yarn --cwd . install",
        "bundle install",
        "$CC -I . -c x.c",
        "gcc -I. -I .. x.c",
        "patch -p1 -d . < x.patch",
        "unzip x.zip -d .",
        "install -Dm755 x -t .",
        "cp x.h .",
        ". ./env.sh",
        "export PYTHONPATH=.",
        "echo 'all of . and * too'",
        "case $x in\n *) echo y;;\nesac",
        "[ -e . ] && [[ $x == * ]]",
        "sed -i 's/ * / . /' x",
        "grep -q '.' x",
        "grep -r foo src",
        "cat > x <<EOF\n - * a\n . b .\nEOF",
        "rg foo src",
        "x=$(expr 2 \\* 3)",
        "cp -r src/* /x",
        "cd src\ncp -r ./* /x",
        "cd src\ngrep -rl foo",
        "cp -r $PART_OF_RECIPE /x",
        "tr -d / < x",
        "touch .npm/mine",
        "(cd $CARGO_HOME/registry/src/*/; make)",
        "go build $(flags) .",
        "x=$((1 + 2)); case $(y) in\n a|*) z;;\nesac",
        "# it's a comment; without what is below\n# there, in ../*\nnpm install\nnpm run css",
        "mv target/release/rg /x",
        "Rscript -e 'a <- commandArgs(TRUE); install.packages(a[1])' .",
        "df /",
    ] {
        assert_eq!(found(script, "/home/build"), None, "{script}");
    }
}

#[test]
fn scripts_to_which_directories_around_mounts_matter_are_found() {
    let met =
        |text: &str, directory: &str, target: &str| script(text, directory).meets_mounts(&[target]);
    let [go, build, cargo] = ["go/pkg/mod", ".cache/go-build", ".cargo/registry"]
        .map(|dir| format!("/home/build/{dir}"));
    for (text, target) in [
        ("mkdir .cargo && echo x > .cargo/config.toml", &cargo),
        ("mkdir -m 755 ~/.cargo", &cargo),
        ("mkdir go", &go),
        ("mkdir -v a go b", &go),
        ("mkdir go/pkg", &go),
        ("mkdir .cache", &build),
        ("mkdir -p .cargo\nmkdir .cargo/registry", &cargo),
        ("git clone https://example.com/x go", &go),
        ("git clone --depth 1 https://example.com/go.git", &go),
        ("git -C . clone https://example.com/go", &go),
        ("git worktree add go", &go),
        ("mv src go", &go),
        ("cp -r src ./go", &go),
        ("cp wrapper go", &go),
        ("ln -s x go", &go),
        ("ln -s ../x/go", &go),
        ("ln -s x \"$GOPATH\"", &go),
        ("rm -f go", &go),
        ("rmdir .cache", &build),
        ("mkdir -p .cache; rmdir .cache", &build),
        ("[ -d go ] || echo none", &go),
        ("if [ ! -e .cargo ]; then x; fi", &cargo),
        ("test -d .cargo", &cargo),
        ("ls .cargo || :", &cargo),
        ("touch go", &go),
        ("echo x > go", &go),
        ("printf x >go", &go),
        ("cc -o go x.c", &go),
        ("go build -o go .", &go),
        ("sh -c 'cd /home/build; mkdir go'", &go),
        ("cd src\nmkdir ../go", &go),
        ("(mkdir -p .cargo); mkdir .cargo", &cargo),
    ] {
        assert!(met(text, "/home/build", target).is_some(), "{text}");
    }
    assert!(met("mkdir pkg", "/home/build/go", &go).is_some());
    for (text, target) in [
        ("mkdir -p .cargo\necho x > .cargo/config.toml", &cargo),
        ("mkdir -p .cargo && cat > .cargo/config <<EOF\nmkdir x\nEOF", &cargo),
        ("mkdir -p .cargo; cp config.toml .cargo; [ -d .cargo ]", &cargo),
        ("install -d .cargo", &cargo),
        ("mkdir -p go/src/x; ln -s . go/src/x/y", &go),
        ("mkdir go", &cargo),
        ("mkdir .cargo", &go),
        ("mkdir build", &go),
        ("cd src\nmkdir go", &go),
        ("mkdir src/go", &go),
        ("go build -o bin/go .", &go),
        ("command -v go; echo go", &go),
        ("[ go != auto ] && [ -n \"$x\" -a x = go ]", &go),
        ("git clone https://example.com/go src", &go),
        ("mv go.mod.new go.mod", &go),
        ("cargo build --release", &cargo),
        ("grep -o go x", &go),
    ] {
        assert_eq!(met(text, "/home/build", target), None, "{text}");
    }
}

#[test]
fn directories_that_hold_a_cache_are_data_too() {
    for script in [
        "rm -rf .cache",
        "rm -rf ~/.npm",
        "rm -rf $HOME/.cargo/registry",
        "rm -rf \"$GOMODCACHE\"",
        "chmod -R u+w ${GOPATH}/pkg/mod",
        "cp -r go /x",
        "cp -r ./go/. /x",
        "cp -r g* /x",
        "cp -r {bin,go} /x",
        "mv go x",
        "rm -rf .c*",
        "tar -cf x .cargo",
        "find .cache -type f",
        "rm -rf .npm/_logs",
        "go clean -modcache",
        "npm cache clean --force",
        "pip cache purge",
        "python3 -m pip cache purge",
        "ccache -C",
    ] {
        assert!(found(script, "/home/build").is_some(), "{script}");
    }
    assert_eq!(found("rm -rf .m2", "/home/build"), None);
    let other = script("rm -rf .m2", "/home/build");
    assert!(other.takes_workspace(&["/home/build/.m2/repository"]).is_some());
}

#[test]
fn others_are_not() {
    for script in [
        "go build ./...",
        "go test ./... && go vet ./...",
        "go install .",
        "make -C . install",
        "cp -r src/. /tmp/copy",
        "cp -r foo .",
        "cp config.h .",
        "cp -r {bin,lib} /x",
        "tar -xf a.tgz -C .",
        "tar xf a.tgz",
        "find src -name '*.la'",
        "find ./build -name '*.debuginfo' -delete",
        "find /home/build/melange-out/hello -name '*.la' -delete",
        "# find . is a comment",
        "git add go.mod",
        "git clone . x",
        "git status --porcelain",
        "rm -rf ./build",
        "rm -rf go.work .cargo-lock .npmrc",
        "rm -rf /home/build/melange-out/hello/usr/lib/go/pkg/obj",
        "mv a .",
        "mv a . > /dev/null 2>&1",
        "mv debian/patches/* .",
        "mv *.so* /x",
        "mv go.mod x",
        "find src -exec mv {} . \\;",
        "./configure --prefix=/usr",
        "cmake ..",
        "meson . output",
        "cargo install --path . --root /x",
        "npm install -g --prefix /x .",
        "ls -la",
        "for f in *.c; do cc $f; done",
        "grep -q . file",
        "ln -sf /home/build \"$GOPATH\"/src/x",
        "mkdir -p \"$GOPATH/src\"",
        "go clean",
        "for bin in go gofmt; do :; done",
        "for c in / ,; do :; done",
        "go build -ldflags \"-X v=$(git diff --quiet || echo dirty)\" -trimpath .",
    ] {
        assert_eq!(found(script, "/home/build"), None, "{script}");
    }
}

#[test]
fn a_directory_below_is_not_the_root() {
    assert_eq!(found("find . -name x", "/home/build/src"), None);
    assert_eq!(found("cp -r go /x", "/home/build/src"), None);
    assert_eq!(found("find . -name x", "/tmp/src"), None);
    assert!(found("cd ..\nfind . -name x", "/home/build/src").is_some());
    assert_eq!(found("cd a\nfind .. -name x", "/home/build/src"), None);
    assert!(found("find $HOME -name x", "/home/build/src").is_some());
    assert!(found("find . -name x", "/home").is_some());
    assert!(found("find . -name x", "/").is_some());
}

#[test]
fn where_a_script_surely_is_counts() {
    for script in [
        "cd '.'\nmake\ncd 'target/release'\nif true; then find . -type f; fi",
        "cd /home/build/melange-out/x\nfind . -name y -delete",
        "cd build && make\nmake install\nfind . -type f",
        "cd /tmp/x; cp -r . y",
        "cd src\n(cd sub && make)\nfind . -name x",
    ] {
        assert_eq!(found(script, "/home/build"), None, "{script}");
    }
    for script in [
        "if x; then cd sub; fi\nfind .",
        "(cd sub; make)\nfind .",
        "x && cd sub\nfind .",
        "echo y | cd sub\nfind .",
        "cd sub; cd ..; find .",
        "cd sub\ncd -\nfind .",
        "cd sub\ncd \"$OLDPWD\"; find .",
        "cd $x\nfind .",
        "cd\nfind .",
        "cd *\nfind .",
        "cat > run <<EOF\ncd sub\nEOF\nfind .",
        "f() {\n cd ..\n}\ncd sub\nf\nfind .",
        "sh -c 'a; cd sub; b'; find .",
        "pushd sub\npopd\nfind .",
        "cd sub/../..\nfind .",
        "for d in a b; do\n cd $d\ndone\nfind .",
        "cd go && find .",
    ] {
        assert!(found(script, "/home/build").is_some(), "{script}");
    }
}

#[test]
fn python_projects_are_noticed() {
    for script in [
        "python3 -m build --wheel .",
        "python3.12 setup.py install",
        "pip3 install .",
        "vr $py -m pip x; pip wheel .",
        "uv pip install .",
        "flit build",
    ] {
        assert!(builds_python(script), "{script}");
    }
    for script in ["go build ./...", "python3 gen.py", "make build", "pip3 install yq"] {
        assert!(!builds_python(script), "{script}");
    }
}
