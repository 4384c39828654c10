//! Templates and what they become; mistakes and their places.

use std::collections::BTreeMap;

use super::*;

fn text(text: &str) -> Data {
    Data::Text(text.to_owned())
}

fn data() -> Data {
    let fields = |fields: Vec<(&str, Data)>| {
        Data::Struct(fields.into_iter().map(|(name, data)| (name.to_owned(), data)).collect())
    };
    let sub = |name: &str| fields(vec![("Name", text(name)), ("Runtime", Data::List(Vec::new()))]);
    fields(vec![
        ("Name", text("demo")),
        ("Epoch", Data::Int(3)),
        ("Yes", Data::Bool(true)),
        ("None", Data::Nil),
        ("Empty", text("")),
        (
            "Vars",
            Data::Map(BTreeMap::from([("a".to_owned(), text("1")), ("b".to_owned(), text("2"))])),
        ),
        ("Subs", Data::List(vec![sub("one"), sub("two"), sub("three")])),
        ("List", Data::List(vec![text("x"), text("y")])),
    ])
}

#[test]
fn templates_are_filled_in() {
    for (template, wanted) in [
        ("", ""),
        ("plain }} text", "plain }} text"),
        ("{{.Name}}-r{{ .Epoch }}", "demo-r3"),
        ("a {{- .Name -}} b", "ademob"),
        ("a {{/* no */}} b {{- /* no */ -}} c", "a  bc"),
        ("{{range .Subs}}{{.Name}} {{end}}", "one two three "),
        (
            "{{range $i, $s := .Subs}}{{$i}}{{$s.Name}}{{$.Name}},{{end}}",
            "0onedemo,1twodemo,2threedemo,",
        ),
        ("{{range $k, $v := .Vars}}{{$k}}={{$v}};{{end}}", "a=1;b=2;"),
        ("{{range $s := .Subs}}{{if eq $s.Name \"two\"}}{{break}}{{end}}{{.Name}}{{end}}", "one"),
        ("{{range .Subs}}{{if eq .Name \"two\"}}{{continue}}{{end}}{{.Name}}{{end}}", "onethree"),
        ("{{range .Empty | len}}x{{else}}none{{end}}", "none"),
        ("{{range 3}}x{{end}}", "xxx"),
        ("{{if .Yes}}y{{else}}n{{end}}{{if .Empty}}y{{else if .None}}z{{else}}n{{end}}", "yn"),
        (
            "{{with .Name}}{{.}}{{end}}{{with .Empty}}x{{else with .Epoch}}{{.}}{{else}}n{{end}}",
            "demo3",
        ),
        ("{{$v := print \"-\" .Name \"-r\" .Epoch}}{{$v}}{{$v = \"new\"}}{{$v}}", "-demo-r3new"),
        ("{{$x := 1}}{{if true}}{{$x = 2}}{{$x := 3}}{{end}}{{$x}}", "2"),
        ("{{ .Name | printf \"%s-%d\" | len }}", ""),
        (
            "{{ printf \"%q %5s|%-5s|%05d|%v|%x|%t|%%|%.2s\" .Name \"a\" \"b\" .Epoch .List 255 .Yes \"long\" }}",
            "\"demo\"     a|b    |00003|[x y]|ff|true|%|lo",
        ),
        ("{{print 1 2 \"a\" 3 4 nil}}{{println .Name 1}}", "1 2a3 4 <nil>demo 1\n"),
        ("{{len .Subs}}{{len .Name}}{{len .Vars}}", "342"),
        (
            "{{index .List 1}}{{index .Vars \"a\"}}{{index .Vars \"no\"}}{{(index .Subs 0).Name}}",
            "y1one",
        ),
        ("{{slice .Name 1 3}}{{slice .List 1}}", "em[y]"),
        (
            "{{eq .Epoch 3}}{{eq .Name \"a\" \"demo\"}}{{ne 1 2}}{{lt 1 2}}{{le 2 2}}{{gt \"b\" \"a\"}}{{ge 1 2}}",
            "truetruetruetruetruetruefalse",
        ),
        (
            "{{and .Name .Epoch}}{{and .Empty .Name}}{{or .Empty .Name}}{{or .None .Empty}}{{not .Empty}}",
            "3demotrue",
        ),
        ("{{if and (eq .Name \"demo\") (not .None)}}ok{{end}}", "ok"),
        ("{{.List}}{{.Vars}}{{.Vars.a}}{{.Vars.none}}", "[x y]map[a:1 b:2]1<no value>"),
        (
            "{{\"a\\tb\\u00e9\\x41\"}}{{`raw\\n`}}{{'x'}}{{1_000}}{{0x1f}}{{-5}}{{1.5}}",
            "a\tbéAraw\\n120100031-51.5",
        ),
        ("{{ (printf \"%s!\" .Name) }}{{ .Name\n}}", "demo!demo"),
        ("{{range .Subs}}{{range $.List}}{{.}}{{end}}{{end}}", "xyxyxy"),
    ] {
        match render(template, &data()) {
            Ok(result) => assert_eq!(result, wanted, "{template}"),
            Err(error) => assert!(
                wanted.is_empty() && error.message.contains("printf"),
                "{template}: {error}"
            ),
        }
    }
}

/// The place, the message, and what to do.
fn mistakes(templates: &[&str]) -> String {
    let tell = |template: &&str| {
        let error = render(template, &data()).expect_err(template);
        let help = error.help.map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{template}\n{}^ {}{help}", " ".repeat(error.at), error.message)
    };
    templates.iter().map(tell).collect::<Vec<_>>().join("\n")
}

#[test]
fn mistakes_are_told_with_their_place() {
    insta::assert_snapshot!(mistakes(&[
        "{{.Nmae}}",
        "{{.Name.First}}",
        "{{.None.Any}}",
        "{{range .Subs}}{{.Nam}}{{end}}",
        "{{.}}",
        "{{.Subs}} {{",
        "{{if .Name}}x",
        "{{end}}",
        "{{if .Name}}{{else}}{{else}}{{end}}",
        "{{else}}",
        "{{break}}",
        "{{Name}}",
        "{{lenn .Name}}",
        "{{frobnicate}}",
        "{{define \"x\"}}{{end}}",
        "{{$x}}",
        "{{$x = 1}}",
        "{{.Name .Epoch}}",
        "{{.Name | .Epoch}}",
        "{{len}}",
        "{{len .Epoch}}",
        "{{eq .Name 1}}",
        "{{eq .Name}}",
        "{{index .List 7}}",
        "{{range .Name}}{{end}}",
        "{{printf \"%d\" .Name}}",
        "{{printf \"%s\"}}",
        "{{printf \"x\" .Name}}",
        "{{\"abc}}",
        "{{'ab'}}",
        "{{12x}}",
        "{{.Name!}}",
        "{{(.Name}}",
        "{{.Name\"x\"}}",
        "{{/* x }}",
        "{{}}",
        "{{if $a, $b := .Name}}{{end}}",
    ]), @r#"
    {{.Nmae}}
      ^ there is no field `.Nmae` (did you mean `.Name`?)
    {{.Name.First}}
           ^ a text has no field `.First`
    {{.None.Any}}
           ^ nothing has no field `.Any`
    {{range .Subs}}{{.Nam}}{{end}}
                     ^ there is no field `.Nam` (did you mean `.Name`?)
    {{.}}
      ^ this is a group of fields, not a text (name one: `Name`, `Epoch`, `Yes`, `None`, `Empty`, `Vars`, `Subs`, `List`)
    {{.Subs}} {{
              ^ the action has no end (`}}`)
    {{if .Name}}x
      ^ `if` has no `{{end}}`
    {{end}}
      ^ `end` ends nothing
    {{if .Name}}{{else}}{{else}}{{end}}
                          ^ a second `else`
    {{else}}
      ^ `else` ends nothing
    {{break}}
      ^ `break` stands outside of `range`
    {{Name}}
      ^ there is no function `Name` (a field has a dot before it: `.Name`)
    {{lenn .Name}}
      ^ there is no function `lenn` (did you mean `len`?)
    {{frobnicate}}
      ^ there is no function `frobnicate` (the functions are `and`, `eq`, `ge`, `gt`, `index`, `le`, `len`, `lt`, `ne`, `not`, `or`, 5 more)
    {{define "x"}}{{end}}
      ^ `define` is not supported in queries (`if`, `with`, `range` and the built-in functions are)
    {{$x}}
      ^ variable `$x` is not defined (define it before: `{{$x := …}}`)
    {{$x = 1}}
      ^ variable `$x` is not defined (define it before: `{{$x := …}}`)
    {{.Name .Epoch}}
      ^ only a function takes arguments
    {{.Name | .Epoch}}
              ^ after `|` stands a function
    {{len}}
      ^ `len`: expected one argument, found 0
    {{len .Epoch}}
      ^ `len`: a number has no length
    {{eq .Name 1}}
      ^ `eq`: a text and a number can't be compared
    {{eq .Name}}
      ^ `eq`: expected two arguments
    {{index .List 7}}
      ^ `index`: there is no item 7 in a list of 2
    {{range .Name}}{{end}}
            ^ `range` walks over lists and maps, not a text
    {{printf "%d" .Name}}
      ^ `printf`: `%d` does not print a text
    {{printf "%s"}}
      ^ `printf`: there is no argument for `%s`
    {{printf "x" .Name}}
      ^ `printf`: there is an argument more than the format has verbs
    {{"abc}}
      ^ the text has no closing quote
    {{'ab'}}
      ^ expected one character between `'` (texts stand in `"`)
    {{12x}}
      ^ `12x` is not a number
    {{.Name!}}
           ^ unexpected `!`
    {{(.Name}}
            ^ expected `)`, found `}}`
    {{.Name"x"}}
           ^ expected a space, found "x"
    {{/* x }}
    ^ the comment has no end (`*/}}`)
    {{}}
      ^ expected a value, found `}}`
    {{if $a, $b := .Name}}{{end}}
         ^ `if` sets one variable at most
    "#);
}

#[test]
fn deep_nesting_ends() {
    assert!(render(&"{{if true}}".repeat(500), &data()).is_err());
    assert!(render(&format!("{{{{{}", "(".repeat(10_000)), &data()).is_err());
}

proptest::proptest! {
    #[test]
    fn no_template_makes_it_panic(template in r"(\{\{|\}\}|[-.$:=|()'a-zA-Z0-9 \\]|if |range |end|printf |eq |é|/\*|\*/|`){0,25}") {
        let _ = render(&template, &data());
    }
}
