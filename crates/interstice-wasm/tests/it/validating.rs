//! What is said of artefacts that somebody made otherwise than `interstice build` does: all of it, and what to do about it.

use crate::support::{artefact, runtime, schema};
use interstice_engine::module::ModuleLoader;
use interstice_types::schema::Schema;
use interstice_wasm::artefact::contents::contents;
use interstice_wasm::artefact::validate::{Finding, MAX_FINDINGS_EACH, Severity, validate};
use interstice_wasm::artefact::{read, with_schema};
use interstice_wasm::runtime::Runtime;

/// A module that says of itself what `schema` says, with `fields` in it and `body` in each call.
fn text(schema: &str, fields: &str, body: &str) -> String {
    let escaped = schema.replace('"', "\\22");
    let packed = (1024_u64 << 32) | schema.len() as u64;
    format!(
        r#"(module
    (import "interstice_1" "result" (func $result (param i32 i32)))
    {fields}
    (memory (export "memory") 2 2)
    (global $__stack_pointer (export "__stack_pointer") (mut i32) (i32.const 1024))
    (global (export "__heap_base") i32 (i32.const 16384))
    (data (i32.const 1024) "{escaped}")
    (func $init (export "interstice_init"))
    (func $alloc (export "interstice_alloc") (param i32) (result i32) (i32.const 16384))
    (func $describe (export "interstice_describe") (result i64) (i64.const {packed}))
    (func $call (export "interstice_call") (param i32 i32 i32) (result i32) {body} (i32.const 0)))"#
    )
}

fn found(wasm: &[u8], runtime: &Runtime) -> Vec<Finding> {
    validate(wasm, runtime).findings
}

/// The codes that are found, once each.
fn codes(findings: &[Finding]) -> Vec<String> {
    let mut codes: Vec<_> = findings.iter().map(|finding| finding.problem.code.to_string()).collect();
    codes.dedup();
    codes
}

/// What is found in a module with this in it.
fn with(fields: &str, body: &str) -> Vec<Finding> {
    found(&artefact(&text(&schema(), fields, body), &schema()), &runtime())
}

/// The one finding of this code has all of these words, and says what to do.
#[track_caller]
fn says(findings: &[Finding], severity: Severity, code: &str, words: &[&str]) {
    let of_code: Vec<_> = findings.iter().filter(|finding| finding.problem.code == code).collect();
    let [finding] = of_code[..] else { panic!("{} findings `{code}`: {findings:#?}", of_code.len()) };
    assert_eq!(finding.severity, severity, "{finding}");
    assert!(finding.problem.hint.is_some(), "{finding}");
    let said = finding.to_string();
    assert!(said.starts_with(&format!("{}[{code}]: ", severity.name())), "{said}");
    for word in words {
        assert!(said.contains(word), "`{word}` is not in {said}");
    }
}

#[test]
fn of_an_honest_artefact_there_is_nothing_to_say() {
    let validation = validate(&artefact(&text(&schema(), "", ""), &schema()), &runtime());
    assert_eq!(validation.findings, []);
    assert!(validation.is_ok());
    assert_eq!(validation.schema.unwrap().module, "guest");
}

/// Each with what is refused by the runtime too: what is said here is what a node does.
#[test]
fn what_a_module_may_not_use_is_named_with_its_place() {
    let runtime = runtime();
    let cases = [
        ("threads", "(memory $shared 1 1 shared)", ""),
        ("threads", "", "(drop (i32.atomic.load (i32.const 0)))"),
        ("relaxed SIMD", "", "(drop (i8x16.relaxed_swizzle (v128.const i64x2 0 0) (v128.const i64x2 0 0)))"),
        ("memory64", "(memory i64 1 1)", ""),
        ("multi-memory", "(memory $second 1 1)", ""),
        ("tail calls", "(func $tail (return_call $tail))", ""),
        ("exceptions", "(tag $thrown)", ""),
        ("extended constants", "(global i32 (i32.add (i32.const 1) (i32.const 2)))", ""),
        ("garbage collection", "(type $pair (struct (field i32)))", ""),
        ("typed function references", "(type $f (func)) (func $g (param (ref $f)) (call_ref $f (local.get 0)))", ""),
        ("references to things of the host", "(func $host (param externref))", ""),
        ("wide arithmetic", "", "(i64.add128 (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4)) (drop) (drop)"),
        ("custom page sizes", "(memory $tiny 1 1 (pagesize 1))", ""),
    ];
    for (name, fields, body) in cases {
        let wasm = artefact(&text(&schema(), fields, body), &schema());
        let findings = found(&wasm, &runtime);
        let forbidden: Vec<_> = findings.iter().filter(|finding| finding.problem.code == "forbidden-feature").collect();
        assert!(!forbidden.is_empty(), "{name}: {findings:#?}");
        let said: Vec<_> = forbidden.iter().map(|finding| finding.problem.message.as_str()).collect();
        assert!(said.iter().any(|said| said.contains(name)), "{name}: {said:?}");
        assert!(forbidden.iter().all(|finding| finding.problem.place.is_some() && finding.problem.hint.is_some()));
        let refused = runtime.load(&wasm).err().unwrap().problem;
        assert_eq!(refused.code, "invalid-wasm", "{name}: {refused}");
    }
    let findings = with("(func $tail (return_call $tail))", "(drop (i32.atomic.load (i32.const 0)))");
    let places: Vec<_> = findings.iter().filter_map(|finding| finding.problem.place.as_deref()).collect();
    assert_eq!(codes(&findings), ["forbidden-feature"]);
    assert!(places[0].starts_with("`tail`, byte") && places[1].starts_with("`call`, byte"), "{findings:#?}");
}

#[test]
fn what_is_no_module_is_said_to_be_none() {
    let runtime = runtime();
    for bytes in [&b""[..], b"not wasm", b"\0asm\x0d\0\x01\0", &wat::parse_str(text(&schema(), "", "")).unwrap()[..99]]
    {
        says(&found(bytes, &runtime), Severity::Error, "invalid-wasm", &["interstice build"]);
    }
    // Whole, but wrong in itself: what is seen of it all the same is said too.
    let mut wasm = artefact(&text(&schema(), "(import \"env\" \"puts\" (func))", "(i32.const 7) (drop)"), &schema());
    let drop = wasm.windows(3).position(|bytes| bytes == [0x41, 7, 0x1a]).unwrap() + 2;
    wasm[drop] = 0x01;
    let findings = found(&wasm, &runtime);
    says(&findings, Severity::Error, "invalid-wasm", &["`call`, byte 0x"]);
    says(&findings, Severity::Error, "unknown-import", &["`env.puts`"]);
}

#[test]
fn imports_are_all_named_each_with_the_crate_that_is_likely_behind_it() {
    let imports = r#"(import "__wbindgen_placeholder__" "now" (func))
        (import "wasi_snapshot_preview1" "clock_time_get" (func (param i32 i64 i32) (result i32)))
        (import "env" "puts" (func (param i32) (result i32)))
        (import "env" "memory" (table 1 funcref))
        (import "other" "thing" (func))
        (import "interstice_1" "insret" (func))"#;
    let findings = with(imports, "");
    let unknown: Vec<_> = findings.iter().filter(|finding| finding.problem.code == "unknown-import").collect();
    let words = [
        ["__wbindgen_placeholder__.now", "chrono"],
        ["wasi_snapshot_preview1.clock_time_get", "wasm32-unknown-unknown"],
        ["env.puts", "C code"],
        ["env.memory", "C code"],
        ["other.thing", "interstice build"],
        ["interstice_1.insret", "did you mean `insert`?"],
    ];
    assert_eq!(unknown.len(), words.len(), "{findings:#?}");
    for (finding, words) in unknown.iter().zip(words) {
        assert!(words.iter().all(|word| finding.to_string().contains(word)), "{words:?}: {finding}");
    }
    let findings = with(r#"(import "interstice_1" "insert" (func (param i64) (result i32 f32)))"#, "");
    says(&findings, Severity::Error, "import-type", &["(i64) → i32, f32", "(i32, i32, i32, i32, i32) → i32"]);
    says(
        &with(r#"(import "interstice_1" "raise" (global i32))"#, ""),
        Severity::Error,
        "import-type",
        &["not a function"],
    );
}

#[test]
fn exports_that_are_missing_or_of_another_shape_are_all_named() {
    let runtime = runtime();
    let findings = found(&artefact("(module)", &schema()), &runtime);
    let missing = findings.iter().filter(|finding| finding.problem.code == "missing-export");
    let missing: Vec<_> = missing.map(|finding| finding.problem.message.clone()).collect();
    let names = ["memory", "interstice_init", "interstice_alloc", "interstice_describe", "interstice_call"];
    assert_eq!(missing, names.map(|name| format!("`{name}` is not exported")));
    let other = text(&schema(), "", "").replace("(param i32 i32 i32) (result i32)  (i32.const 0)", "(param i64)");
    says(
        &found(&artefact(&other, &schema()), &runtime),
        Severity::Error,
        "export-type",
        &["`interstice_call`", "(i64) → nothing, and must be (i32, i32, i32) → i32"],
    );
    for (from, to, word) in [
        (
            "(func $init (export \"interstice_init\"))",
            "(global (export \"interstice_init\") i32 (i32.const 0))",
            "not a function",
        ),
        (
            "(memory (export \"memory\") 2 2)",
            "(memory 2 2) (global (export \"memory\") i32 (i32.const 0))",
            "not a memory",
        ),
    ] {
        let other = text(&schema(), "", "").replace(from, to);
        says(&found(&artefact(&other, &schema()), &runtime), Severity::Error, "export-type", &[word]);
    }
}

#[test]
fn sizes_are_looked_at_before_a_node_does() {
    let runtime = runtime();
    let large = |bytes: usize| {
        let filler = format!(r#"(data (i32.const 0) "{}")"#, "x".repeat(60_000));
        let mut wasm = artefact(&text(&schema(), &filler, ""), &schema());
        let custom = wasm_encoder::CustomSection { name: "filler".into(), data: vec![0; bytes - wasm.len()].into() };
        wasm.push(0);
        wasm_encoder::Encode::encode(&custom, &mut wasm);
        found(&wasm, &runtime)
    };
    says(&large(16 << 20), Severity::Error, "too-large", &["at most 15728640"]);
    says(&large(13 << 20), Severity::Warning, "large-artefact", &["at most 15728640"]);
    assert_eq!(large((12 << 20) - 100), []);

    let memory = |sizes: &str| {
        let other = text(&schema(), "", "").replace("\"memory\") 2 2", &format!("\"memory\") {sizes}"));
        found(&artefact(&other, &schema()), &runtime)
    };
    says(&memory("1025 1025"), Severity::Error, "module-too-large", &["67174400 bytes at first", "67108864"]);
    let findings = memory("2 1025");
    says(&findings, Severity::Warning, "memory-limit", &["grow to 67174400", "67108864"]);
    says(&findings, Severity::Warning, "not-resettable", &["2 pages", "grow to 1025"]);
    says(&memory("2"), Severity::Warning, "not-resettable", &["without an end", "--max-memory=131072"]);
    says(&with("(table 100001 funcref)", ""), Severity::Error, "module-too-large", &["100001 functions", "100000"]);
    says(&with(&"(table 1 funcref)".repeat(9), ""), Severity::Error, "module-too-large", &["9 tables", "8"]);
}

#[test]
fn why_an_instance_cannot_be_reset_is_said_exactly() {
    let runtime = runtime();
    let cases: [(&str, &str, &[&str]); 8] = [
        ("", "(drop (memory.grow (i32.const 1)))", &["`memory.grow` in `call`"]),
        ("(table $t 1 1 funcref)", "(table.set $t (i32.const 0) (ref.null func))", &["`table.set` in `call`"]),
        ("(table $t 1 1 funcref)", "(drop (table.grow $t (ref.null func) (i32.const 0)))", &["`table.grow`"]),
        ("(table $t 1 1 funcref)", "(table.fill $t (i32.const 0) (ref.null func) (i32.const 1))", &["`table.fill`"]),
        ("(table $t 1 1 funcref)", "(table.copy $t $t (i32.const 0) (i32.const 0) (i32.const 1))", &["`table.copy`"]),
        ("(data $d \"x\")", "(data.drop $d)", &["`data.drop` in `call`"]),
        (
            "(table $t 1 1 funcref) (elem $e func $init)",
            "(table.init $t $e (i32.const 0) (i32.const 0) (i32.const 1))",
            &["`table.init`"],
        ),
        (
            "(elem $e func $init) (func $far (elem.drop $e)) (func $away (elem.drop $e))",
            "",
            &["`elem.drop` in `far`, `away`"],
        ),
    ];
    for (fields, body, words) in cases {
        let findings = with(fields, body);
        says(&findings, Severity::Warning, "not-resettable", words);
        assert_eq!(codes(&findings), ["not-resettable"]);
        assert_eq!(read(&artefact(&text(&schema(), fields, body), &schema())).unwrap().reset, None);
    }
    let changed = |from: &str, to: &str| {
        let other = text(&schema(), "", "(global.set $__stack_pointer (global.get $__stack_pointer))");
        assert!(other.contains(from));
        found(&artefact(&other.replace(from, to), &schema()), &runtime)
    };
    says(
        &changed(" (export \"__stack_pointer\")", ""),
        Severity::Warning,
        "not-resettable",
        &["global 0, is not exported as `__stack_pointer`"],
    );
    says(
        &changed(" (export \"__heap_base\")", ""),
        Severity::Warning,
        "not-resettable",
        &["`__heap_base` is not exported"],
    );
    says(
        &changed("(i32.const 16384))\n    (data", "(i32.const 200000))\n    (data"),
        Severity::Warning,
        "not-resettable",
        &["from byte 1024 to byte 200000 of 131072"],
    );
    let none = text(&schema(), "", "").replace("(mut i32)", "i32");
    says(&found(&artefact(&none, &schema()), &runtime), Severity::Warning, "not-resettable", &["no stack pointer"]);
    let findings = with(&"(func (drop (memory.grow (i32.const 0))))".repeat(5), "");
    says(&findings, Severity::Warning, "not-resettable", &["function 1, function 2, function 3 and 2 more"]);
}

#[test]
fn globals_that_code_sets_are_named_with_who_sets_them() {
    let fields = "(global $count (mut i32) (i32.const 0)) (func $add (global.set $count (i32.const 1)))";
    let findings = with(fields, "(call $add) (global.set $count (i32.const 2))");
    says(&findings, Severity::Warning, "mutable-global", &["global 0 is set by `add`, `call`", "table"]);
    says(&findings, Severity::Warning, "not-resettable", &["2 globals can be set: 0, 1"]);
    // Nobody sets it: it only stands in the way of a reset.
    let findings = with("(global $count (mut i32) (i32.const 0))", "");
    assert_eq!(codes(&findings), ["not-resettable"]);
}

#[test]
fn a_start_function_and_missing_names_are_said() {
    let findings = with("(func $begin) (start $begin)", "");
    says(&findings, Severity::Warning, "start-function", &["`begin` runs whenever"]);
    let nameless = text(&schema(), "", "").replace("func $call", "func").replace("func $init", "func");
    let nameless = ["$result", "$alloc", "$describe", "$__stack_pointer"]
        .iter()
        .fold(nameless, |text, name| text.replace(name, ""));
    let validation = validate(&artefact(&nameless, &schema()), &runtime());
    says(&validation.findings, Severity::Note, "no-names", &["no names"]);
    assert!(validation.is_ok());
}

#[test]
fn a_schema_is_there_and_follows_its_rules_and_the_module_says_the_same() {
    let runtime = runtime();
    let bare = wat::parse_str(text(&schema(), "", "")).unwrap();
    says(&found(&bare, &runtime), Severity::Error, "missing-schema", &["interstice build"]);
    says(
        &found(&artefact(&text(&schema(), "", ""), "{"), &runtime),
        Severity::Error,
        "invalid-schema",
        &["`interstice_schema`"],
    );

    let broken = schema().replace("\"row\"", "\"Row\"");
    let findings = found(&artefact(&text(&broken, "", ""), &broken), &runtime);
    assert_eq!(codes(&findings), ["invalid-schema"]);
    assert!(findings.iter().all(|finding| finding.problem.place.is_some()), "{findings:#?}");

    let other = schema().replace("\"value\",\"type\":\"u64\"", "\"value\",\"type\":\"u32\"");
    assert_ne!(other, schema());
    let findings = found(&artefact(&text(&schema(), "", ""), &other), &runtime);
    let said: Vec<_> = findings.iter().map(|finding| finding.problem.message.as_str()).collect();
    assert_eq!(codes(&findings), ["schema-disagrees"]);
    assert!(said[0].starts_with("table `row`") && said[1].starts_with("function `run`"), "{said:?}");
    let words = schema().replace("\"name\":\"row\"", "\"name\":\"row\",\"doc\":\"Words.\"");
    says(
        &found(&artefact(&text(&schema(), "", ""), &words), &runtime),
        Severity::Error,
        "schema-disagrees",
        &["words of documentation"],
    );
    // What a build sets is not the module's to say.
    let renamed = schema().replace("\"guest\"", "\"other\"").replace("1.0.0", "2.0.0");
    assert_eq!(found(&artefact(&text(&schema(), "", ""), &renamed), &runtime), []);

    let silent = text(&schema(), "", "").replace("(result i64) (i64.const", "(result i64) (unreachable) (i64.const");
    says(&found(&artefact(&silent, &schema()), &runtime), Severity::Error, "not-described", &["unreachable"]);
    let endless = text(&schema(), "", "").replace("(result i64) (i64.const", "(result i64) (loop (br 0)) (i64.const");
    says(&found(&artefact(&endless, &schema()), &runtime), Severity::Error, "not-described", &["fuel"]);
    let reaching = text(&schema(), "", "")
        .replace("\"interstice_init\")", "\"interstice_init\") (call $result (i32.const 0) (i32.const 4))");
    assert_ne!(reaching, text(&schema(), "", ""));
    says(&found(&artefact(&reaching, &schema()), &runtime), Severity::Error, "not-described", &[]);
}

/// A call would trap: it is not made.
#[test]
fn no_other_code_of_the_module_runs() {
    let text = text(&schema(), "", "(unreachable)");
    assert_eq!(found(&artefact(&text, &schema()), &runtime()), []);
}

#[test]
fn floats_where_order_or_equality_decides_are_found_however_deep() {
    let json = r#"{"module":"guest","version":"1","tables":[{"name":"place","primary_key":[0],"columns":[
        {"name":"at","type":{"struct":{"name":"Point","fields":[{"name":"x","type":"f64"}]}}},
        {"name":"speed","type":{"option":"f32"}},
        {"name":"heights","type":{"map":["f64","u8"]}},
        {"name":"plain","type":"f64"}],
        "indexes":[{"name":"by_speed","columns":[1]},{"name":"one_speed","columns":[1],"unique":true}]}],
        "functions":[{"name":"run","kind":"reducer","args":[{"name":"list","type":{"list":{"map":["f32","u8"]}}}],"returns":"f64"}]}"#;
    let schema: Schema = serde_json::from_str(json).unwrap();
    let schema = String::from_utf8(schema.to_canonical_json()).unwrap();
    let findings = found(&artefact(&text(&schema, "", ""), &schema), &runtime());
    assert_eq!(codes(&findings), ["float-key", "float-map-key"], "{findings:#?}");
    let said: Vec<_> = findings.iter().map(ToString::to_string).collect();
    let words = [
        "primary key",
        "index `by_speed`",
        "unique index `one_speed`",
        "column `heights`",
        "function `run`, argument `list`",
    ];
    assert_eq!(said.len(), words.len(), "{said:#?}");
    assert!(said.iter().zip(words).all(|(said, word)| said.contains(word)), "{said:#?}");
    assert!(findings.iter().all(|finding| finding.severity == Severity::Warning));
}

#[test]
fn of_many_findings_of_a_kind_the_first_are_listed() {
    let imports = r#"(import "env" "puts" (func))"#.repeat(MAX_FINDINGS_EACH + 7);
    let findings = with(&imports, "");
    assert_eq!(findings.len(), MAX_FINDINGS_EACH + 1);
    assert_eq!(findings.last().unwrap().problem.message, "7 more like the one above");
}

/// Numbers that look random and are the same each time.
fn numbers(mut state: u64) -> impl FnMut(usize) -> usize {
    move |below| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below.max(1)
    }
}

/// Cut at every byte, bits turned, bytes replaced and moved, and bytes that never were a module: something is said, nothing panics.
#[test]
fn any_bytes_are_looked_at_without_a_panic() {
    let runtime = runtime();
    let fields = r#"(table 3 3 funcref) (elem (i32.const 0) $init $call) (global $g (mut i64) (i64.const 1))
        (func $f (param i32) (local i64 i64) (global.set $g (i64.const 2)) (drop (memory.grow (local.get 0))))
        (start $init) (data $d "12345678")"#;
    let wasm = artefact(&text(&schema(), fields, "(data.drop $d)"), &schema());
    assert!(validate(&wasm, &runtime).is_ok());
    let look = |bytes: &[u8]| {
        let validation = validate(bytes, &runtime);
        drop(contents(bytes));
        let rewritten = serde_json::from_str(&schema()).map(|schema: Schema| with_schema(bytes, &schema));
        drop(rewritten);
        validation
    };
    for size in 0..wasm.len() {
        assert!(!look(&wasm[..size]).is_ok(), "cut at {size}");
    }
    let mut number = numbers(7);
    for _ in 0..4_000 {
        let mut bytes = wasm.clone();
        for _ in 0..=number(3) {
            let at = number(bytes.len());
            match number(4) {
                0 => bytes[at] ^= 1 << number(8),
                1 => bytes[at] = [0, 0x7f, 0x80, 0xff][number(4)],
                2 => drop(bytes.drain(at..(at + number(9)).min(bytes.len()))),
                _ => {
                    let piece = bytes[at..(at + number(30)).min(bytes.len())].to_vec();
                    let to = number(bytes.len());
                    bytes.splice(to..to, piece);
                }
            }
            if bytes.is_empty() {
                break;
            }
        }
        look(&bytes);
    }
    for _ in 0..1_000 {
        let mut bytes = b"\0asm\x01\0\0\0".to_vec();
        bytes.extend((0..number(300)).map(|_| number(256) as u8));
        look(&bytes);
        look(&bytes[8..]);
    }
}
