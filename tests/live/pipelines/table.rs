//! The 51 pipelines: which recipe runs each in a real build step, and the case of it that fails.
//!
//! This drives both the tests beside it and `docs/pipelines.md`.

/// A pipeline.
pub struct Row {
    pub pipeline: &'static str,
    /// The recipe of `tests/fixtures/pipelines` that runs it.
    pub recipe: &'static str,
    /// What is run.
    pub run: &'static str,
    /// Why the program that it calls is a stand-in, if it is.
    pub stand_in: Option<&'static str>,
    /// What was tried that fails.
    pub failing: &'static str,
    /// The step that fails, with what stands before it, in the environment of the recipe.
    pub steps: &'static str,
    /// What is said then.
    pub says: &'static str,
}

const GOBUMP: Option<&str> = Some("gobump is in neither Debian nor the Go module proxy");
const POMBUMP: Option<&str> = Some("pombump is in neither Debian nor the Go module proxy");
const XCOVER: Option<&str> = Some("xcover is in neither Debian nor the Go module proxy");
const COVDATA: Option<&str> = Some("Debian's Go is older than covdata");

/// A row without a stand-in.
const fn row(
    [pipeline, recipe]: [&'static str; 2],
    run: &'static str,
    [failing, steps, says]: [&'static str; 3],
) -> Row {
    Row { pipeline, recipe, run, stand_in: None, failing, steps, says }
}

impl Row {
    const fn stand_in(self, reason: Option<&'static str>) -> Self {
        Self { stand_in: reason, ..self }
    }
}

/// A package that is split from itself.
const fn itself(pipeline: &'static str, steps: &'static str, run: &'static str) -> Row {
    let failing =
        "a package split from itself; names with quotes, `$(…)` and ends of lines are moved";
    row([pipeline, "widget"], run, [failing, steps, "nothing is moved from a package into itself"])
}

/// All of them, in the order of their names.
pub const ROWS: [Row; 51] = [
    row(
        ["R/build", "carver"],
        "a package, from a directory with a space in its name",
        [
            "another name than the package has",
            "- uses: R/build\n  with: {package: other, path: its sources, version: '1.0'}",
            "R/build: no package 'other' was installed",
        ],
    ),
    row(
        ["autoconf/configure", "widget"],
        "autoreconf makes configure; options with quotes",
        [
            "`$(…)` as the directory",
            "- uses: autoconf/configure\n  with: {dir: '$(touch broken-out)'}",
            "can't cd to $(touch broken-out)",
        ],
    ),
    row(
        ["autoconf/make", "widget"],
        "a library by libtool, a program, a Perl module, PHP",
        [
            "an unknown target",
            "- uses: autoconf/make\n  with: {dir: cmake, targets: no-such-target}",
            "No rule to make target 'no-such-target'",
        ],
    ),
    row(
        ["autoconf/make-install", "widget"],
        "the same; libtool's archives are gone",
        [
            "a directory `a; b`",
            "- uses: autoconf/make-install\n  with: {dir: a; b}",
            "a; b: No such file or directory",
        ],
    ),
    row(
        ["cargo/build", "crab"],
        "a program by name; all of a directory, with rustflags and jobs",
        [
            "`$(…)` as the root of the module",
            "- uses: cargo/build\n  with: {modroot: '$(touch broken-out)'}",
            "can't cd to $(touch broken-out)",
        ],
    ),
    row(
        ["cmake/build", "widget"],
        "a directory with a space in its name",
        [
            "a directory that is not there, with a quote in its name",
            "- uses: cmake/build\n  with: {output-dir: \"it's not there\"}",
            "it's not there is not a directory",
        ],
    ),
    row(
        ["cmake/configure", "widget"],
        "a library and a program",
        [
            "no CMakeLists.txt",
            "- uses: cmake/configure",
            "does not appear to contain CMakeLists.txt",
        ],
    ),
    row(
        ["cmake/install", "widget"],
        "programs, libraries, headers, CMake's files",
        [
            "a directory that is not there, with a quote in its name",
            "- uses: cmake/install\n  with: {output-dir: \"it's not there\"}",
            "it's not there/cmake_install.cmake",
        ],
    ),
    row(
        ["fetch", "widget"],
        "a tarball over HTTP, unpacked and deleted",
        [
            "a wrong checksum",
            "- uses: fetch\n  with:\n    uri: ${{vars.mirror}}/gadget-1.0.tar.gz\n    expected-sha256: \
         0000000000000000000000000000000000000000000000000000000000000000",
            "gadget-1.0.tar.gz has the wrong sha256 checksum",
        ],
    ),
    row(
        ["git-am", "widget"],
        "two patches that build on each other",
        [
            "a name with `$(…)`, which is no file",
            "- uses: git-am\n  with: {patches: '$(id).patch'}",
            "there is no file '$(id).patch'",
        ],
    ),
    row(
        ["git-checkout", "widget"],
        "a tag with its commit, over git's protocol",
        [
            "a wrong commit",
            "- uses: git-checkout\n  with:\n    repository: ${{vars.repository}}\n    tag: v1.0\n    \
         expected-commit: 0123456789012345678901234567890123456789",
            ", expected 0123456789012345678901234567890123456789",
        ],
    ),
    row(
        ["go/build", "gopher"],
        "a program with linker flags as shell text",
        [
            "no go.mod",
            "- uses: go/build\n  with: {packages: ., output: x}",
            "there is no go.mod in /home/build; set modroot",
        ],
    ),
    row(
        ["go/build/v2", "gopher"],
        "a program, stripped",
        [
            "`$(…)` as the root of the module",
            "- uses: go/build/v2\n  with: {modroot: '$(touch broken-out)'}",
            "can't cd to $(touch broken-out)",
        ],
    ),
    row(
        ["go/bump", "gopher"],
        "two modules",
        [
            "`$(…)` as the root of the module",
            "- uses: go/bump\n  with: {modroot: '$(touch broken-out)', deps: x@v1}",
            "can't cd to $(touch broken-out)",
        ],
    )
    .stand_in(GOBUMP),
    row(
        ["go/covdata", "gopher"],
        "a directory with a quote in its name",
        ["a real tool chain without covdata", "- uses: go/covdata", "no such tool \"covdata\""],
    )
    .stand_in(COVDATA),
    row(
        ["go/install", "gopher"],
        "a program with a build tag",
        [
            "a package that is not there",
            "- uses: go/install\n  working-directory: module\n  with: {package: ./cmd/$(id)}",
            "/cmd/$(id)",
        ],
    ),
    row(
        ["llvm/covreport", "crab"],
        "a program built and run with clang's counters",
        [
            "a program that is not there",
            "- uses: llvm/covreport\n  with: {object: no; program}",
            "there is no program to report on; set object",
        ],
    ),
    row(
        ["maven/configure-mirror", "moka"],
        "the settings, in the home directory",
        [
            "a file where the directory should be",
            "- runs: touch .m2\n- uses: maven/configure-mirror",
            "/home/build/.m2 is not a directory that can be written",
        ],
    ),
    row(
        ["maven/pombump", "moka"],
        "a file with a space in its name",
        [
            "no such file",
            "- uses: maven/pombump\n  with: {pom: $(id).xml}",
            "there is no file '$(id).xml'",
        ],
    )
    .stand_in(POMBUMP),
    row(
        ["meson/compile", "widget"],
        "a library and a program",
        [
            "`$(…)` as the directory",
            "- uses: meson/compile\n  with: {output-dir: '$(touch broken-out)'}",
            "$(touch broken-out)",
        ],
    ),
    row(
        ["meson/configure", "widget"],
        "a project from a tarball, with options",
        [
            "no meson.build",
            "- uses: meson/configure",
            "Neither directory contains a build file meson.build",
        ],
    ),
    row(
        ["meson/install", "widget"],
        "programs, libraries, headers, pkg-config's file",
        [
            "a directory that is not there, with a quote in its name",
            "- uses: meson/install\n  with: {output-dir: \"it's not there\"}",
            "Install data not found",
        ],
    ),
    row(
        ["npm/install", "polyglot"],
        "a package of a registry, one dependency overridden",
        [
            "a version that the registry does not have",
            "- uses: npm/install\n  with: {package: polyglot, version: 9.9.9}",
            "No matching version found for polyglot@9.9.9",
        ],
    ),
    row(
        ["patch", "widget"],
        "a patch of another directory",
        [
            "a name with `;` and `$(…)`",
            "- uses: patch\n  with: {patches: 'a;$(id).patch'}",
            "'a;$(id).patch' has characters that no patch's name has",
        ],
    ),
    row(
        ["pecl/install", "polyglot"],
        "an extension with its configuration",
        [
            "no Makefile",
            "- uses: pecl/install\n  with: {extension: x}",
            "No rule to make target 'install'",
        ],
    ),
    row(
        ["pecl/phpize", "polyglot"],
        "an extension in C",
        ["no config.m4", "- uses: pecl/phpize", "Cannot find config.m4"],
    ),
    row(
        ["perl/cleanup", "polyglot"],
        "after the installation of a module",
        [
            "a directory that can't be removed as a file",
            "- runs: mkdir -p ${{targets.destdir}}/.packlist/x\n- uses: perl/cleanup",
            ".packlist' is a directory",
        ],
    ),
    row(
        ["perl/make", "polyglot"],
        "a module whose Makefile.PL asks a question",
        ["no Makefile.PL", "- uses: perl/make", "Can't open perl script \"Makefile.PL\""],
    ),
    row(
        ["python/build", "polyglot"],
        "a setup.py",
        ["no setup.py", "- uses: python/build", "can't open file '/home/build/setup.py'"],
    ),
    row(
        ["python/build-wheel", "polyglot"],
        "a pyproject.toml, built by setuptools",
        [
            "no project",
            "- uses: python/build-wheel\n  working-directory: perl",
            "does not appear to be a Python project",
        ],
    ),
    row(
        ["python/import", "polyglot"],
        "a list with remarks; a name from a module",
        [
            "two statements as a name",
            "- uses: python/import\n  with: {import: 'os; import sys'}",
            "'os; import sys' is not the name of a module",
        ],
    ),
    row(
        ["python/install", "polyglot"],
        "a module and a program",
        ["no setup.py", "- uses: python/install", "can't open file '/home/build/setup.py'"],
    ),
    row(
        ["python/test", "polyglot"],
        "several lines of shell text",
        [
            "a command that fails",
            "- uses: python/test\n  with: {command: echo before; exit 7}",
            "exit code 7",
        ],
    ),
    row(
        ["ruby/build", "polyglot"],
        "a gem with a signing key that nobody has",
        [
            "no such gemspec",
            "- uses: ruby/build\n  with: {gem: a; $(id)}",
            "there is no file 'a; $(id).gemspec'",
        ],
    ),
    row(
        ["ruby/clean", "polyglot"],
        "after the installation of a gem",
        [
            "a directory that can't be removed as a file",
            "- runs: mkdir -p \"${{targets.destdir}}$(ruby -e 'puts Gem.default_dir')/gem_make.out/x\"\n\
         - uses: ruby/clean",
            "gem_make.out' is a directory",
        ],
    ),
    row(
        ["ruby/install", "polyglot"],
        "a file with spaces in its name",
        [
            "no such version",
            "- uses: ruby/install\n  with: {gem: polyglot, version: 9.9}",
            "there is no file 'polyglot-9.9.gem'",
        ],
    ),
    itself("split/alldocs", "- uses: split/alldocs", "what the other pages leave"),
    itself("split/bin", "- uses: split/bin", "the programs of three build systems"),
    itself("split/debug", "- uses: split/debug", "libraries and programs"),
    itself("split/dev", "- uses: split/dev", "headers, links, files of CMake and pkg-config"),
    itself("split/infodir", "- uses: split/infodir", "a manual"),
    itself("split/lib", "- uses: split/lib", "three libraries with their links"),
    itself("split/locales", "- uses: split/locales", "a translation"),
    itself("split/manpages", "- uses: split/manpages", "a page"),
    itself("split/static", "- uses: split/static", "an archive"),
    row(
        ["strip", "widget"],
        "libraries and programs, also those that may not be written",
        [
            "an unknown option; a file with `$(…)` in its name",
            "- runs: install -D /usr/bin/busybox \"${{targets.destdir}}/it's \\$(id)\"\n\
         - uses: strip\n  with: {opts: --no-such-option}",
            "strip: ./it's $(id)",
        ],
    ),
    row(
        ["xcover/ensure", "moka"],
        "a report above the least",
        [
            "a report below the least",
            "- runs: 'echo \"{\\\"cov_by_func\\\": 79.9}\" > xcover-report.json'\n\
         - uses: xcover/ensure\n  with: {min-coverage: 80}",
            "coverage 79.9 % is below the minimum of 80 %",
        ],
    )
    .stand_in(XCOVER),
    row(
        ["xcover/profile", "moka"],
        "a program with a space in its name",
        [
            "a program that is not there",
            "- uses: xcover/profile\n  with: {executable-path: /nowhere}",
            "xcover: no program /nowhere",
        ],
    )
    .stand_in(XCOVER),
    row(
        ["xcover/status", "moka"],
        "while it runs",
        ["while nothing runs", "- uses: xcover/status", "xcover.state"],
    )
    .stand_in(XCOVER),
    row(
        ["xcover/stop", "moka"],
        "after it ran",
        [
            "without xcover, which it does not ask for (nor does melange's)",
            "- uses: xcover/stop",
            "xcover: not found",
        ],
    )
    .stand_in(XCOVER),
    row(
        ["xcover/wait", "moka"],
        "while it runs",
        ["while nothing runs", "- uses: xcover/wait", "xcover.state"],
    )
    .stand_in(XCOVER),
];
