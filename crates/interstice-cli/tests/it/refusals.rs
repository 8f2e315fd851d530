//! Bad input: a clear error, nothing lost, the node goes on.

use crate::support::{Node, build, run};
use interstice_types::id::to_hex;
use interstice_types::schema::{FunctionSchema, signature};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// A node with `hello`, which must answer afterwards as before.
fn on_a_node(test: impl FnOnce(&Node)) {
    let node = Node::in_memory();
    node.publish("examples/hello");
    test(&node);
    assert_eq!(node.run(&["sql", "select count(*) from hello.greeting"]).ok().stdout, "count\n1\n");
    node.replays();
}

fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (directory, path)
}

/// A module with all exports and a schema, and what a test wants beside them.
pub(crate) fn artefact(fields: &str, schema: Option<&str>) -> Vec<u8> {
    running(fields, "", schema)
}

/// The same, with something to do in each call.
pub(crate) fn running(fields: &str, body: &str, schema: Option<&str>) -> Vec<u8> {
    let text = format!(
        r#"(module {fields}
        (memory (export "memory") 2 2)
        (func (export "interstice_init"))
        (func (export "interstice_alloc") (param i32) (result i32) (i32.const 1024))
        (func (export "interstice_describe") (result i64) (i64.const 0))
        (func (export "interstice_call") (param i32 i32 i32) (result i32) {body} (i32.const 0)))"#
    );
    let mut wasm = wat::parse_str(text).unwrap();
    if let Some(schema) = schema {
        let section = wasm_encoder::CustomSection { name: "interstice_schema".into(), data: schema.as_bytes().into() };
        wasm.push(0);
        wasm_encoder::Encode::encode(&section, &mut wasm);
    }
    wasm
}

fn publish(node: &Node, bytes: &[u8], exit: i32, code: &str) -> String {
    let (_directory, path) = file("module.wasm", bytes);
    let path = path.to_str().unwrap();
    // Straight to the node: the command itself must not be what refuses.
    let answer =
        ureq::post(format!("{}/v1/publish", node.url)).config().http_status_as_error(false).build().send(bytes);
    let text = answer.unwrap().body_mut().read_to_string().unwrap();
    assert!(text.contains(&format!("\"code\":\"{code}\"")), "wanted {code}: {text}");
    node.run(&["publish", path]).refused(exit, code).stderr
}

#[test]
fn what_is_no_module_is_refused_with_a_reason() {
    on_a_node(|node| {
        publish(node, b"not wasm at all", 1, "invalid-wasm");
        let whole = std::fs::read(build("examples/hello")).unwrap();
        publish(node, &whole[..whole.len() / 2], 1, "invalid-wasm");
        let foreign = artefact(r#"(import "__wbindgen_placeholder__" "now" (func))"#, None);
        let text = publish(node, &foreign, 1, "unknown-import");
        assert!(text.contains("`__wbindgen_placeholder__.now`") && text.contains("chrono"), "{text}");
        let text =
            publish(node, &wat::parse_str(r#"(module (memory (export "memory") 1))"#).unwrap(), 1, "missing-export");
        assert!(text.contains("`interstice_call`"), "{text}");
        publish(node, &artefact("", None), 1, "missing-schema");
        publish(node, &artefact("", Some("{}")), 1, "invalid-schema");
        publish(node, &vec![0; (15 << 20) + 1], 1, "too-large");
    });
}

/// A module with one reducer `run`, which does `body`, and may call the `run` of another module by `(call $nested …)`.
fn runner(name: &str, calls: &str, body: &str) -> Vec<u8> {
    let run = r#"{"name":"run","kind":"reducer","returns":"unit"}"#;
    let function: FunctionSchema = serde_json::from_str(run).unwrap();
    let signature = to_hex(&signature::of_function(&function));
    let schema = format!(
        r#"{{"module":"{name}","version":"1","tables":[],"functions":[{run}],"imports":[{{"module":"{calls}",
        "functions":[{{"name":"run","signature":"{signature}"}}]}}]}}"#
    );
    let nested = r#"(import "interstice_1" "call" (func $nested (param i32 i32 i32 i32 i32) (result i64)))"#;
    running(nested, body, Some(&schema))
}

const CALL: &str = "(drop (call $nested (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))";

#[test]
fn a_module_that_is_entered_again_or_calls_one_that_breaks_ends_the_transaction() {
    on_a_node(|node| {
        let publish = |wasm: &[u8]| {
            let (_directory, path) = file("module.wasm", wasm);
            node.run(&["publish", path.to_str().unwrap()])
        };
        let plain = r#"{"module":"pong","version":"1","tables":[],"functions":[{"name":"run","kind":"reducer","returns":"unit"}]}"#;
        publish(&runner("ping", "pong", CALL)).refused(1, "unknown-module");
        publish(&artefact("", Some(plain))).ok();
        publish(&runner("ping", "pong", CALL)).ok();
        node.run(&["call", "ping.run"]).ok();
        publish(&runner("pong", "ping", CALL)).ok();
        node.run(&["call", "ping.run"]).refused(1, "re-entered");
        node.run(&["call", "pong.run"]).refused(1, "re-entered");
        publish(&runner("pong", "hello", "unreachable")).refused(1, "schema-changed");
        let other = r#"{"module":"pang","version":"1","tables":[],"functions":[{"name":"run","kind":"reducer","returns":"unit"}]}"#;
        publish(&artefact("", Some(other))).ok();
        publish(&runner("pong", "pang", "unreachable")).ok();
        let stderr = node.run(&["call", "ping.run"]).refused(1, "trap").stderr;
        assert!(stderr.contains("module `pong`"), "{stderr}");
        publish(&runner("ping", "ping", CALL)).refused(1, "invalid-schema");
    });
}

#[test]
fn every_rule_that_a_schema_breaks_is_named() {
    on_a_node(|node| {
        let schema = r#"{"module":"broken","version":"1","tables":[
            {"name":"Upper","primary_key":[7],"columns":[{"name":"id","type":"u64"}]},
            {"name":"t","primary_key":[0],"columns":[{"name":"a","type":"string","auto_inc":true},{"name":"a","type":"u8"}]}],
            "functions":[],"imports":[{"module":"broken"}]}"#;
        let text = publish(node, &artefact("", Some(schema)), 1, "invalid-schema");
        for part in ["`Upper`", "column `a` stands there twice", "imports itself", "`auto_inc` needs"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    });
}

#[test]
fn names_that_are_not_there_get_a_suggestion() {
    on_a_node(|node| {
        let near = |args: &[&str], exit, code, suggestion: &str| {
            let stderr = node.run(args).refused(exit, code).stderr;
            assert!(stderr.contains(suggestion), "{stderr}");
        };
        near(&["call", "helo.greet", "x"], 1, "unknown-module", "did you mean `hello`?");
        near(&["call", "hello.gret", "x"], 1, "unknown-function", "did you mean `greet`?");
        near(&["sql", "select * from hello.greting"], 1, "unknown-table", "did you mean `hello.greeting`?");
        near(&["sql", "select txt from hello.greeting"], 1, "unknown-column", "did you mean `text`?");
        near(&["subscribe", "select * from hello.greting"], 1, "unknown-table", "did you mean `hello.greeting`?");
        near(&["modules", "show", "helo"], 1, "unknown-module", "did you mean `hello`?");
        near(&["query", "hello.greet"], 1, "wrong-kind", "interstice call hello.greet");
        near(&["call", "hello.latest", "1"], 1, "wrong-kind", "interstice query hello.latest");
        near(&["call", "greet"], 2, "usage", "module.function");
        near(&["log", "inspect", "99"], 1, "unknown-offset", "interstice status");
    });
}

#[test]
fn arguments_that_do_not_fit_are_refused() {
    on_a_node(|node| {
        node.run(&["call", "hello.greet"]).refused(1, "invalid-arguments");
        node.run(&["call", "hello.greet", "a", "b"]).refused(1, "invalid-arguments");
        node.run(&["call", "hello.greet", "--args", "[1]"]).refused(1, "invalid-arguments");
        node.run(&["query", "hello.latest", "many"]).refused(1, "invalid-arguments");
        node.run(&["query", "hello.latest", "-1"]).refused(1, "invalid-arguments");
        node.run(&["call", "hello.greet", "--args", "[1"]).refused(2, "invalid-json");
        node.run(&["call", "hello.greet", ""]).refused(3, "empty-name");
    });
}

#[test]
fn statements_that_are_not_understood_show_where() {
    on_a_node(|node| {
        let stderr = node.run(&["sql", "select * frm hello.greeting"]).refused(1, "invalid-sql").stderr;
        assert!(stderr.contains("1 | select * frm hello.greeting\n"), "{stderr}");
        node.run(&["sql", "select * from hello.greeting join hello.greeting"]).refused(1, "unsupported-sql");
        node.run(&["sql", "delete from hello.greeting"]).refused(1, "unsupported-sql");
        node.run(&["sql", "select id from hello.greeting where id = 'x'"]).refused(1, "invalid-literal");
        node.run(&["subscribe", "select * from hello.greeting limit 1"]).refused(1, "not-subscribable");
        let deep = format!("select * from hello.greeting where {}id = 1{}", "(".repeat(5_000), ")".repeat(5_000));
        node.run(&["sql", &deep]).refused(1, "invalid-sql");
        let long = format!("select * from hello.greeting where {}", vec!["id = 1"; 1_500].join(" or "));
        node.run(&["sql", &long]).ok();
        let longer = format!("select * from hello.greeting where {}", vec!["id = 1"; 9_000].join(" or "));
        node.run(&["sql", &longer]).refused(1, "statement-too-long");
    });
}

/// 32 MiB of rows pass through the 16 MiB that a module has: a scan is read in parts, and what was read is given back.
#[test]
fn a_scan_takes_no_memory_in_proportion_to_the_table() {
    on_a_node(|node| {
        node.publish("fixtures/modules/probe");
        for from in (0..512).step_by(64) {
            node.run(&["call", "probe.pile", &from.to_string(), "64", "65536"]).ok();
        }
        assert_eq!(node.run(&["query", "probe.weigh"]).ok().stdout.trim(), (512 * 65_536).to_string());
    });
}

#[test]
fn a_module_that_misbehaves_ends_its_call_and_nothing_else() {
    on_a_node(|node| {
        node.publish("fixtures/modules/probe");
        let stderr = node.run(&["call", "probe.fall", "no way down"]).refused(1, "panic").stderr;
        assert!(stderr.contains("no way down (fixtures/modules/probe/src/lib.rs:"), "{stderr}");
        assert!(node.run(&["call", "probe.add", "1", "2"]).ok().stdout.contains("  3"));
        let stderr = node.run(&["call", "probe.add", "1", &u64::MAX.to_string()]).refused(1, "panic").stderr;
        assert!(stderr.contains("attempt to add with overflow (fixtures/modules/probe/src/lib.rs:"), "{stderr}");
        node.run(&["call", "probe.spin"]).refused(1, "out-of-fuel");
        node.run(&["call", "probe.recurse"]).refused(1, "out-of-bounds");
        let stderr = node.run(&["call", "probe.hoard"]).refused(1, "panic").stderr;
        assert!(stderr.contains("memory"), "{stderr}");
        assert_eq!(node.run(&["sql", "select count(*) from probe.mark"]).ok().stdout, "count\n0\n");
        node.run(&["call", "probe.mark", "1", "one"]).ok();
        let stderr = node.run(&["call", "probe.mark", "1", "two"]).refused(3, "duplicate-key").stderr;
        assert!(stderr.contains("`mark`") && stderr.contains("primary key") && stderr.contains('1'), "{stderr}");
        node.run(&["call", "probe.mark", "2", "one"]).refused(3, "duplicate-key");
        assert_eq!(node.run(&["sql", "select id from probe.mark where note is null"]).ok().stdout, "id\n1\n");
    });
}

#[test]
fn a_data_directory_belongs_to_one_node_and_an_address_to_one() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().to_str().unwrap();
    let node = Node::start(directory.path());
    run(&["start", "--data", data, "--listen", "127.0.0.1:0"]).refused(11, "in-use");
    let address = node.url.strip_prefix("http://").unwrap();
    run(&["start", "--memory", "--listen", address]).refused(1, "address-in-use");
    run(&["start", "--memory", "--listen", "0.0.0.0:0"]).refused(2, "not-loopback");
    node.run(&["status"]).ok();
}

#[test]
fn nobody_there_is_exit_5() {
    run(&["--server", "http://127.0.0.1:9", "status"]).refused(5, "unreachable");
    run(&["--server", "http://127.0.0.1:9", "ready", "--wait", "0.05"]).refused(5, "unreachable");
    run(&["--server", "http://127.0.0.1:9", "subscribe", "select * from a.b"]).refused(5, "unreachable");
    run(&["log", "verify", "--data", "/nowhere/at/all"]).refused(1, "no-data");
    run(&["build", "/nowhere/at/all"]).refused(2, "not-a-project");
    assert_eq!(run(&["frobnicate"]).exit, 2);
}

#[test]
fn a_torn_tail_is_cut_and_a_changed_byte_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().to_str().unwrap();
    let node = Node::start(directory.path());
    node.publish("examples/hello");
    (0..5).for_each(|_| drop(node.run(&["call", "hello.greet", "ada"]).ok()));
    node.kill();
    let log = directory.path().join("log/00000000000000000000.log");
    let bytes = std::fs::read(&log).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;

    let mut torn = bytes.clone();
    let behind = end.next_multiple_of(8) + 8;
    torn[behind..behind + 100].fill(0xab);
    std::fs::write(&log, &torn).unwrap();
    let text = run(&["log", "verify", "--data", data]).ok().stdout;
    assert!(text.contains("torn tail"), "{text}");
    let node = Node::start(directory.path());
    assert_eq!(node.run(&["sql", "select count(*) from hello.greeting"]).ok().stdout, "count\n6\n");
    node.kill();

    let mut bytes = std::fs::read(&log).unwrap();
    bytes[end / 2] ^= 1;
    std::fs::write(&log, &bytes).unwrap();
    let found = run(&["log", "verify", "--data", data]);
    assert_eq!(found.exit, 4, "{found:?}");
    run(&["start", "--data", data, "--listen", "127.0.0.1:0"]).refused(8, "corrupt");
}

#[test]
fn a_directory_that_cannot_be_written_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let blocked = directory.path().join("file");
    std::fs::write(&blocked, "not a directory").unwrap();
    let data = blocked.join("data");
    run(&["start", "--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0"]).refused(9, "io");
    // Permissions do not hold root back.
    let locked = directory.path().join("locked");
    std::fs::create_dir(&locked).unwrap();
    std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o500)).unwrap();
    if std::fs::write(locked.join("probe"), "").is_err() {
        let data = locked.join("data");
        run(&["start", "--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0"]).refused(9, "read-only");
    }
}
