//! `melange2 query` and `package-version`: what scripts that were written for melange ask.

use std::process::Command;

use insta::assert_snapshot;

use crate::support::{TestEnv, parts};

/// A recipe with every key of the schema.
const WHOLE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/language/recipes/schema.yaml");

fn ask(template: &str) -> String {
    TestEnv::new().run(&["query", WHOLE, template])
}

#[test]
fn answers_are_melanges() {
    let Some(melange) = parts::program("melange") else {
        return parts::without("there is no melange to compare with");
    };
    for template in [
        "{{ .Package.Name }}-{{ .Package.Version }}-{{ .Package.Epoch }}",
        "{{.Package.Name}}-{{.Package.Version}}-r{{.Package.Epoch}}\
         {{$v := print \"-\" .Package.Version \"-r\" .Package.Epoch}}\
         {{range .Subpackages}} {{.Name}}{{$v}}{{end}}",
        "{{range .Subpackages}}x/{{.Name}}-{{$.Package.Version}}-r{{$.Package.Epoch}}.apk {{end}}",
        "{{.Package.FullVersion}} {{.Name}} {{.Package.URL}} {{.Package.Description}}",
        "{{.Package.LicenseExpression}} {{.Package.Timeout}} {{printf \"%v %d %s\" .Package.Timeout .Package.Timeout .Package.Timeout}}",
        "{{if .Package.Timeout}}set{{end}} {{gt .Package.Timeout 5}} {{eq .Package.Timeout 0}} {{.Package.Timeout | print}}",
        "{{range .Package.Copyright}}{{.License}} {{.LicensePath}} {{.Paths}}{{end}}",
        "{{.Package.Dependencies.Runtime}} {{.Package.Dependencies.ProviderPriority}}",
        "{{range .Package.Dependencies.Provides}}{{println .}}{{else}}none{{end}}",
        "{{.Package.CPE.Vendor}} {{.Package.CPE.SWEdition}} {{.Package.CPE.TargetHW}}",
        "{{with .Package.Resources}}{{.CPU}} {{.CPUModel}} {{.Memory}}{{end}}",
        "{{if .Package.Options.NoDepends}}no depends{{end}} {{.Package.TargetArchitecture}}",
        "{{.Package.Scriptlets.Trigger.Paths}} {{.Package.Scriptlets.PostInstall}}",
        "{{range .Package.SetCap}}{{.Path}} {{.Add}} {{.Reason}}{{end}} {{.Package.Checks.Disabled}}",
        "{{.Environment.Contents.Packages}} {{.Environment.Contents.Keyring}} {{.Environment.Cmd}}",
        "{{range .Environment.Accounts.Users}}{{.UserName}} {{.UID}} {{.Shell}} {{end}}",
        "{{range .Environment.Accounts.Groups}}{{.GroupName}} {{.GID}} {{.Members}} {{end}}",
        "{{.Environment.Environment.A}} {{.Environment.Environment.HOME}} {{.Environment.WorkDir}}",
        "{{range .Pipeline}}{{.Name}} {{.If}} {{.WorkDir}} {{.Runs}} {{len .Pipeline}}\n{{end}}",
        "{{range .Subpackages}}{{.Name}} {{.URL}} {{.Annotations}} {{with .Test}}{{len .Pipeline}}{{end}}\n{{end}}",
        "{{.Update.Enabled}} {{.Update.GitHubMonitor.Identifier}} {{.Update.GitHubMonitor.UseTags}}",
        "{{.Update.ReleaseMonitor.Identifier}} {{.Update.GitMonitor.TagFilterPrefix}} {{.Update.Schedule.Period}}",
        "{{.Update.VersionDataMonitor.Format}} {{.Update.EnablePreReleaseTags}} {{.Update.OCIMonitor.Identifier}}",
        "{{.Vars}} {{.Vars.a}} {{.Vars.unknown}} {{index .Vars \"b.c\"}} {{.Package.Annotations}}",
        "{{range .VarTransforms}}{{.From}} {{.Match}} {{.Replace}} {{.To}}{{end}} {{.Capabilities.Add}}",
        "{{range $n, $o := .Options}}{{$n}} {{$o.Vars}} {{$o.Environment.Contents.Packages.Add}};{{end}}",
        "{{range $i, $s := .Subpackages}}{{if $i}}, {{end}}{{$s.Name | printf \"%q\"}}{{end}}",
        "{{if and (eq .Package.Name \"schema\") (gt .Package.Epoch 3)}}yes{{else}}no{{end}}",
        "{{printf \"%s-%s-r%d %5d|%-8s|%08d|%v\" .Package.Name .Package.Version .Package.Epoch 42 \"ab\" 7 .Package.Options.NoDepends}}",
        "{{len .Subpackages}} {{len .Package.Name}} {{slice .Package.Name 1 3}} {{not .Data}}",
        "{{- /* nothing */ -}}  {{- .Package.Name -}}  \n{{print 1 2 \"x\" 3}} {{1.5}} {{'a'}} {{`r`}}",
        "{{range .Subpackages}}{{if eq .Name \"options\"}}{{continue}}{{end}}{{.Name}}{{break}}{{end}}",
        "{{with $x := .Package.Name}}{{$x}}{{end}}{{with .Package.Nothing}}{{end}}",
        "{{.Package.Missing}}",
        "{{missing}}",
        "{{if}}{{end}}",
        "{{eq .Package.Name 1}}",
        "{{range .Package.Name}}{{end}}",
        "{{index .Subpackages 99}}",
    ] {
        let theirs = Command::new(&melange).args(["query", WHOLE, template]).output().unwrap();
        let env = TestEnv::new();
        let mut ours = env.command(env!("CARGO_BIN_EXE_melange2"));
        let ours = ours.args(["query", WHOLE, template]).output().unwrap();
        assert_eq!(
            ours.status.success(),
            theirs.status.success(),
            "{template}: {ours:?} {theirs:?}"
        );
        if theirs.status.success() {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            assert_eq!(text(&ours.stdout), text(&theirs.stdout), "{template}");
        }
    }
}

#[test]
fn what_is_wrong_with_a_template_is_pointed_to() {
    assert_snapshot!(ask("{{ .Package.Name }}-{{ .Package.Vresion }}"), @r"
    exit: 2
    --- stdout
    --- stderr
    error[template]: there is no field `.Vresion`
     --> <template>:1:32
      |
    1 | {{ .Package.Name }}-{{ .Package.Vresion }}
      |                                ^
      |
      = help: did you mean `.Version`?
    error: the template can't be filled in
    ");
    assert_snapshot!(ask("{{ range .Subpackages }}{{ Name }}{{ end }}"), @r"
    exit: 2
    --- stdout
    --- stderr
    error[template]: there is no function `Name`
     --> <template>:1:28
      |
    1 | {{ range .Subpackages }}{{ Name }}{{ end }}
      |                            ^
      |
      = help: a field has a dot before it: `.Name`
    error: the template can't be filled in
    ");
}

/// Whatever is wrong, something is said of what to do.
#[test]
fn every_mistake_in_a_template_has_a_place_and_help() {
    for template in [
        "{{/* x",
        "{{ .Name",
        "{{ \"x }}",
        "{{ \"\\q\" }}",
        "{{ 1x }}",
        "{{ $x }}",
        "{{ .Package.Name.First }}",
        "{{ range .Package.Name }}{{ end }}",
        "{{ end }}",
        "{{ break }}",
        "{{ if .Name }}",
        "{{ if .Name }}{{ else }}{{ else }}{{ end }}",
        "{{ .Name | .Name }}",
        "{{ index .Subpackages 99 }}",
        "{{ define \"x\" }}{{ end }}",
    ] {
        let text = ask(template);
        assert!(text.starts_with("exit: 2\n--- stdout\n--- stderr\nerror[template]: "), "{text}");
        assert!(text.contains("\n --> <template>:1:"), "{text}");
        assert!(text.contains("\n  = help: "), "{text}");
    }
}

#[test]
fn the_whole_version_is_printed_without_a_newline() {
    let env = TestEnv::new();
    env.write("r.yaml", "package: {name: demo, version: 1.10, epoch: 3}\n");
    assert_eq!(
        env.run(&["package-version", "r.yaml"]),
        "exit: 0\n--- stdout\ndemo-1.10-r3--- stderr\n"
    );
}
