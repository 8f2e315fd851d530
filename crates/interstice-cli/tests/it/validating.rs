//! What is said of artefacts, files and schemas by looking at them: nothing of honest ones, all that is wrong with others.

use crate::refusals::artefact;
use crate::support::{Node, Ran, build, copy_files, copy_of, example_names, root, run};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn write(directory: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn look(path: &Path) -> Ran {
    run(&["inspect", path.to_str().unwrap(), "-o", "json"])
}

/// What is said of a whole file.
fn inspected(path: &Path, kind: &str) -> Value {
    let document = look(path).ok().json();
    assert_eq!(
        (&document["schema"], &document["kind"]),
        (&json!("interstice.inspect/v1"), &json!(kind)),
        "{}",
        path.display()
    );
    assert_eq!((&document["ok"], &document["faults"]), (&json!(true), &json!([])));
    let text = run(&["inspect", path.to_str().unwrap()]).ok().stdout;
    assert!(text.starts_with("kind") && text.lines().next().unwrap().ends_with(kind), "{text}");
    document
}

/// What is said of a damaged file: what it is, and what is wrong with it.
fn damaged(path: &Path, kind: &str) -> Value {
    let ran = look(path);
    assert_eq!(ran.exit, 4, "{}: {ran:?}", path.display());
    let document = ran.json();
    assert_eq!((&document["kind"], &document["ok"]), (&json!(kind), &json!(false)), "{document}");
    assert!(!document["faults"].as_array().unwrap().is_empty(), "{document}");
    document
}

#[test]
fn of_every_example_there_is_nothing_to_say() {
    for name in example_names() {
        let document = run(&["validate", &format!("examples/{name}"), "-o", "json"]).ok().json();
        assert_eq!(document["schema"], "interstice.validate/v1");
        assert_eq!(
            (&document["ok"], &document["module"], &document["findings"]),
            (&json!(true), &json!(name), &json!([]))
        );
    }
    let file = build("examples/hello");
    let (path, size) = (file.to_str().unwrap(), std::fs::read(&file).unwrap().len());
    let built = run(&["build", "examples/hello", "-o", "json"]).ok().json();
    let document = run(&["validate", path, "-o", "json"]).ok().json();
    assert_eq!((&document["bytes"], &document["blake3"]), (&json!(size), &built["blake3"]));
    let text = run(&["validate", path]).ok().stdout;
    assert!(text.starts_with("hello 0.1.0  ") && text.ends_with(": nothing to say\n"), "{text}");
}

#[test]
fn all_that_is_wrong_with_an_artefact_is_said_at_once_and_exits_with_4() {
    let directory = tempfile::tempdir().unwrap();
    let imports = r#"(import "__wbindgen_placeholder__" "now" (func)) (import "env" "puts" (func))"#;
    let path = write(directory.path(), "module.wasm", &artefact(imports, None));
    let path = path.to_str().unwrap();
    let ran = run(&["validate", path, "-o", "json"]);
    assert_eq!(ran.exit, 4, "{ran:?}");
    let document = ran.json();
    assert_eq!((&document["ok"], &document["module"]), (&json!(false), &Value::Null));
    let findings = document["findings"].as_array().unwrap();
    let codes: Vec<_> = findings
        .iter()
        .map(|finding| (finding["severity"].as_str().unwrap(), finding["code"].as_str().unwrap()))
        .collect();
    let reset = ("warning", "not-resettable");
    assert_eq!(
        codes,
        [
            ("error", "unknown-import"),
            ("error", "unknown-import"),
            reset,
            reset,
            ("note", "no-names"),
            ("error", "missing-schema")
        ]
    );
    assert!(findings.iter().all(|finding| finding["hint"].is_string()), "{findings:#?}");
    assert_eq!(run(&["validate", path, "-o", "jsonl"]).stdout.lines().count(), findings.len());
    let text = run(&["validate", path]).stdout;
    assert!(text.contains("error[unknown-import]: the module imports `env.puts`"), "{text}");
    assert!(text.contains("warning[not-resettable]: ") && text.ends_with(": 3 errors, 2 warnings, 1 note\n"), "{text}");

    let path = write(directory.path(), "cut.wasm", &std::fs::read(build("examples/hello")).unwrap()[..5_000]);
    let ran = run(&["validate", path.to_str().unwrap()]);
    assert!(ran.exit == 4 && ran.stdout.contains("error[invalid-wasm]: "), "{ran:?}");
    run(&["validate", "/nowhere/at/all.wasm"]).refused(1, "file");
    run(&["validate", "docs"]).refused(2, "not-a-project");
    let large = std::fs::File::create(directory.path().join("large.wasm")).unwrap();
    large.set_len((64 << 20) + 1).unwrap();
    run(&["validate", directory.path().join("large.wasm").to_str().unwrap()]).refused(1, "too-large");
}

/// A warning is no error.
#[test]
fn a_project_with_a_float_as_its_key_is_warned() {
    let place = "\n#[table]\npub struct Place {\n    #[primary_key]\n    pub metres: f64,\n}\n";
    let copy = copy_of("examples/hello", |text| if text.contains("#[table") { text + place } else { text });
    let target = concat!(env!("CARGO_TARGET_TMPDIR"), "/copies");
    let mut command = crate::support::interstice(&["validate", copy.path().to_str().unwrap(), "-o", "json"]);
    let document = Ran::of(command.env("CARGO_TARGET_DIR", target).output().unwrap()).ok().json();
    let findings = document["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1, "{document}");
    assert_eq!((&findings[0]["code"], &findings[0]["where"]), (&json!("float-key"), &json!("table `place`")));
}

#[test]
fn every_file_of_the_fixtures_is_known() {
    for fixture in ["log-v1", "log-v1-repaired", "snapshot-v1"] {
        let fixture = root().join("fixtures").join(fixture);
        let directory = inspected(&fixture, "data-directory");
        assert_eq!(directory["node"], inspected(&fixture.join("node.json"), "node")["node"]);
        let mark = inspected(&fixture.join("log/durable.mark"), "mark");
        assert_eq!(mark["log"], directory["node"]);
        let mut names: Vec<_> =
            std::fs::read_dir(fixture.join("log")).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.retain(|path| path.extension().is_some_and(|ending| ending == "log"));
        names.sort();
        let segments: Vec<_> = names.iter().map(|path| inspected(path, "segment")).collect();
        assert_eq!(segments.len(), directory["segments"].as_array().unwrap().len());
        for pair in segments.windows(2) {
            assert_eq!(pair[0]["last_chain"], pair[1]["first_chain"]);
            assert_eq!((&pair[0]["next_offset"], &pair[0]["sealed"]), (&pair[1]["first_offset"], &json!(true)));
        }
        assert_eq!(segments.last().unwrap()["last_chain"], directory["head"]);
        assert!(segments.iter().any(|segment| segment["frames"]["transactions"].as_u64().unwrap() > 0));
        assert!(!directory["modules"].as_array().unwrap().is_empty(), "{directory}");
    }
    let snapshots = std::fs::read_dir(root().join("fixtures/snapshot-v1/snapshots")).unwrap();
    let snapshots: Vec<_> = snapshots.map(|entry| inspected(&entry.unwrap().path(), "snapshot")).collect();
    assert!(!snapshots.is_empty());
    for snapshot in snapshots {
        let rows = snapshot["tables"]
            .as_array()
            .unwrap()
            .iter()
            .map(|table| table["rows"].as_str().unwrap().parse::<u64>().unwrap());
        assert_eq!(rows.sum::<u64>().to_string(), snapshot["rows"]);
        assert_eq!(snapshot["digest"].as_str().unwrap().len(), 32);
    }
}

#[test]
fn an_artefact_is_told_section_by_section() {
    let file = build("examples/chat");
    let document = inspected(&file, "artefact");
    assert_eq!(
        (&document["module"]["name"], &document["resettable"], &document["names"]),
        (&json!("chat"), &json!(true), &json!(true))
    );
    let sections = document["sections"].as_array().unwrap();
    let bytes: u64 = sections.iter().map(|section| section["bytes"].as_u64().unwrap()).sum();
    let whole = document["bytes"].as_u64().unwrap();
    assert!(bytes < whole && bytes > whole - 16 * sections.len() as u64 - 8, "{bytes} of {whole}");
    assert!(document["imports"].as_array().unwrap().contains(&json!("interstice_1.insert")));
    assert!(document["exports"].as_array().unwrap().contains(&json!({ "name": "memory", "kind": "memory" })));
    assert_eq!(document["memories"], json!([{ "minimum": 16 << 20, "maximum": 16 << 20 }]));

    let directory = tempfile::tempdir().unwrap();
    let schema = r#"{"module":"m","version":"1","tables":[],"functions":[]}"#;
    let path = write(directory.path(), "other", &artefact("(func (drop (memory.grow (i32.const 1))))", Some(schema)));
    let document = inspected(&path, "artefact");
    assert!(document["obstacles"].to_string().contains("memory.grow"), "{document}");
    damaged(&write(directory.path(), "cut.wasm", &std::fs::read(&file).unwrap()[..9_000]), "artefact");
    damaged(&write(directory.path(), "none.wasm", b"text"), "artefact");
    damaged(&write(directory.path(), "schema.wasm", &artefact("", Some("{}"))), "artefact");
}

#[test]
fn a_schema_and_a_backup_are_known_by_what_is_in_them() {
    let directory = tempfile::tempdir().unwrap();
    let shown = run(&["schema", "show", "examples/hello", "-o", "json"]).ok().stdout;
    let document = inspected(&write(directory.path(), "hello.json", shown.as_bytes()), "schema");
    assert_eq!((&document["module"], &document["tables"]), (&json!("hello"), &json!(["greeting"])));
    let broken = r#"{"module":"M","version":"1","tables":[],"functions":[]}"#;
    damaged(&write(directory.path(), "broken.json", broken.as_bytes()), "schema");
    damaged(&write(directory.path(), "half.json", br#"{"module":"m","tables":[7]}"#), "schema");
    let keyless =
        r#"{"module":"m","version":"1","tables":[{"name":"t","primary_key":[7],"columns":[]}],"functions":[]}"#;
    let keyless = write(directory.path(), "keyless.json", keyless.as_bytes());
    damaged(&keyless, "schema");
    // Who breaks the rules is told of, and not fallen over.
    let hello = directory.path().join("hello.json");
    run(&["schema", "diff", keyless.to_str().unwrap(), hello.to_str().unwrap()]).ok();
    run(&["schema", "diff", hello.to_str().unwrap(), keyless.to_str().unwrap()]).ok();

    let (data, backups) = (directory.path().join("data"), directory.path().join("backups"));
    copy_files(&root().join("fixtures/log-v1"), &data);
    let (data, to) = (data.to_str().unwrap(), backups.to_str().unwrap());
    let created = run(&["backup", "create", "--data", data, "--to", to, "-o", "json"]).ok().json();
    let manifest = PathBuf::from(created["file"].as_str().unwrap());
    let document = inspected(&manifest, "backup");
    assert_eq!((&document["next_offset"], &document["chain"]), (&created["to"], &created["chain"]));
    assert_eq!(inspected(&backups, "backups")["backups"], json!([created["backup"]]));
    let kept = backups.join("files").join(document["files"][0]["file"].as_str().unwrap());
    inspected(&kept, "segment");
    std::fs::remove_file(kept).unwrap();
    damaged(&manifest, "backup");
    let mut text = std::fs::read_to_string(&manifest).unwrap();
    text.truncate(text.len() / 2);
    damaged(&write(&backups, "cut.json", text.as_bytes()), "backup");
}

#[test]
fn what_is_nothing_is_said_to_be_nothing() {
    let directory = tempfile::tempdir().unwrap();
    for (name, bytes) in
        [("notes.txt", &b"hello"[..]), ("empty", b""), ("list.json", b"[1]"), ("other.json", b"{}"), ("bad.json", b"{")]
    {
        let path = write(directory.path(), name, bytes);
        let stderr = run(&["inspect", path.to_str().unwrap()]).refused(1, "unknown-file").stderr;
        assert!(stderr.contains("durable.mark"), "{stderr}");
    }
    run(&["inspect", directory.path().to_str().unwrap()]).refused(1, "unknown-file");
    run(&["inspect", "/nowhere/at/all"]).refused(1, "file");
}

/// Numbers that look random and are the same each time.
fn numbers(mut state: u64) -> impl FnMut(usize) -> usize {
    move |below| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    }
}

#[test]
fn of_damaged_files_is_said_what_can_be_said() {
    let directory = tempfile::tempdir().unwrap();
    let fixtures = root().join("fixtures");
    let segment = std::fs::read(fixtures.join("log-v1/log/00000000000000000002.log")).unwrap();
    let name = "00000000000000000002.log";
    let mut turned = segment.clone();
    turned[4096 + 200] ^= 1;
    let found = damaged(&write(directory.path(), name, &turned), "segment");
    assert_eq!(found["first_offset"], "2");
    assert!(found["faults"][0].as_str().unwrap().starts_with("frame at byte 4"), "{found}");
    let mut headless = segment.clone();
    headless[3] ^= 1;
    assert!(
        damaged(&write(directory.path(), name, &headless), "segment")["faults"][0]
            .as_str()
            .unwrap()
            .starts_with("header")
    );
    damaged(&write(directory.path(), name, &segment[..100]), "segment");
    damaged(&write(directory.path(), "node.json", b"{\"node\":"), "node");
    damaged(&write(directory.path(), "node.json", b"{\"node\":\"xyz\",\"format\":1}"), "node");
    let newer = write(directory.path(), "node.json", b"{\"node\":\"00\",\"format\":2}");
    run(&["inspect", newer.to_str().unwrap()]).refused(10, "newer-format");
    damaged(&write(directory.path(), "durable.mark", &[0; 8192]), "mark");
    let mut mark = std::fs::read(fixtures.join("log-v1/log/durable.mark")).unwrap();
    mark[40] ^= 1;
    let found = damaged(&write(directory.path(), "durable.mark", &mark), "mark");
    assert!(
        found["next_offset"].is_string() && found["faults"].as_array().unwrap().len() == 1,
        "the other one counts: {found}"
    );

    let snapshot = std::fs::read_dir(fixtures.join("snapshot-v1/snapshots")).unwrap().next().unwrap().unwrap();
    let (name, bytes) = (snapshot.file_name().into_string().unwrap(), std::fs::read(snapshot.path()).unwrap());
    let mut turned = bytes.clone();
    turned[120] ^= 1;
    let found = damaged(&write(directory.path(), &name, &turned), "snapshot");
    assert!(found["tables"].is_array(), "the manifest is whole: {found}");
    damaged(&write(directory.path(), &name, &bytes[..50]), "snapshot");

    // Whatever turns: it ends with an answer.
    let mut number = numbers(11);
    for (name, bytes) in [("00000000000000000002.log", &segment), (name.as_str(), &bytes), ("durable.mark", &mark)] {
        for _ in 0..40 {
            let mut turned = bytes.clone();
            let at = number(turned.len());
            turned[at] ^= 1 << number(8);
            turned.truncate(turned.len() - number(2) * number(300));
            let ran = look(&write(directory.path(), name, &turned));
            assert!([0, 1, 4, 10].contains(&ran.exit), "{name} turned at {at}: {ran:?}");
        }
    }
}

#[test]
fn a_damaged_data_directory_is_summed_up_all_the_same() {
    let directory = tempfile::tempdir().unwrap();
    copy_files(&root().join("fixtures/log-v1"), directory.path());
    std::fs::remove_file(directory.path().join("log/00000000000000000017.log")).unwrap();
    let found = damaged(directory.path(), "data-directory");
    assert!(found["faults"][0].as_str().unwrap().contains("missing"), "{found}");
    assert!(found["modules"].is_null() && found["node"].is_string(), "{found}");
}

/// A module without code, with these tables.
fn declaring(version: &str, tables: &str, functions: &str) -> Vec<u8> {
    artefact(
        "",
        Some(&format!(r#"{{"module":"shelf","version":"{version}","tables":[{tables}],"functions":[{functions}]}}"#)),
    )
}

const BOOK: &str = r#"{"name":"book","primary_key":[0],"columns":[{"name":"id","type":"u64"}]}"#;
const TITLED: &str = r#"{"name":"book","primary_key":[0],"columns":[{"name":"id","type":"u64"},{"name":"title","type":{"option":"string"}}]}"#;
const VOLUME: &str = r#"{"name":"volume","renamed_from":"book","primary_key":[0],"columns":[{"name":"id","type":"u64"},{"name":"title","type":{"option":"string"}}]}"#;
const READER: &str = r#"{"name":"reader","primary_key":[0],"columns":[{"name":"name","type":"string"}]}"#;

#[test]
fn every_version_of_a_module_is_told_from_a_node_its_files_and_a_backup_alike() {
    let (directory, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let data = directory.path().to_str().unwrap();
    let node = Node::start(directory.path());
    let run_ = r#"{"name":"run","kind":"reducer","returns":"unit"}"#;
    let versions = [
        declaring("1.0.0", BOOK, ""),
        declaring("1.1.0", TITLED, ""),
        declaring("1.2.0", &format!("{TITLED},{READER}"), run_),
        declaring("2.0.0", &format!("{READER},{VOLUME}"), run_),
    ];
    for wasm in &versions {
        let path = write(files.path(), "module.wasm", wasm);
        node.run(&["--as", "ada", "publish", path.to_str().unwrap()]).ok();
    }
    let history = |what: &str, from: &[&str]| {
        let args = [&["schema", "history", what, "-o", "json"][..], from].concat();
        node.run(&args).ok().json()
    };
    let told = history("shelf", &[]);
    assert_eq!((&told["schema"], &told["module"]), (&json!("interstice.schema-history/v1"), &json!("shelf")));
    let entries = told["entries"].as_array().unwrap();
    let said: Vec<_> = entries
        .iter()
        .map(|entry| (entry["version"].as_str().unwrap(), entry["tables"].as_array().unwrap().len()))
        .collect();
    assert_eq!(said, [("1.0.0", 1), ("1.1.0", 1), ("1.2.0", 1), ("2.0.0", 1)]);
    assert_eq!(entries[1]["tables"][0]["differences"][0]["item"], "title");
    assert_eq!(
        (&entries[1]["tables"][0]["from_version"], &entries[1]["migrations"][0]["to_version"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(entries[2]["functions"][0]["sign"], "+");
    assert_eq!(entries[3]["tables"][0]["renamed_from"], "book");
    assert!(
        entries.iter().all(|entry| entry["publisher"] == entries[0]["publisher"] && entry["publisher"].is_string())
    );
    assert!(entries.iter().all(|entry| entry["artefact"].as_str().unwrap().len() == 64 && entry["time"].is_string()));
    let text = node.run(&["schema", "history", "shelf"]).ok().stdout;
    assert!(text.contains("shelf 1.1.0") && text.contains("shelf.book   v1 → v2   0 rows\n  + title"), "{text}");

    let volume = history("shelf.volume", &[]);
    let versions: Vec<_> =
        volume["entries"].as_array().unwrap().iter().map(|entry| entry["version"].as_str().unwrap()).collect();
    assert_eq!(versions, ["1.0.0", "1.1.0", "2.0.0"], "under the name that it had");
    node.run(&["schema", "history", "shelve"]).refused(1, "unknown-module");
    let stderr = node.run(&["schema", "history", "shelf.volum"]).refused(1, "unknown-table").stderr;
    assert!(stderr.contains("did you mean `volume`?"), "{stderr}");

    let backups = files.path().join("backups");
    let created = node.run(&["backup", "create", "--to", backups.to_str().unwrap(), "-o", "json"]).ok().json();
    assert_eq!(history("shelf", &["--data", created["file"].as_str().unwrap()]), told);
    assert_eq!(node.terminate(), Some(0));
    assert_eq!(run(&["schema", "history", "shelf", "-o", "json", "--data", data]).ok().json(), told);
}

/// Logs of before `interstice.version`; of one that was trimmed only the end is known.
#[test]
fn versions_of_an_old_log_are_read_from_its_transactions() {
    for (fixture, versions) in [("log-v1", 1..=20), ("snapshot-v1", 1..=1)] {
        let fixture = root().join("fixtures").join(fixture);
        let modules = look(&fixture).ok().json();
        let module = &modules["modules"][0];
        let name = module["name"].as_str().unwrap();
        let told = run(&["schema", "history", name, "-o", "json", "--data", fixture.to_str().unwrap()]).ok().json();
        let entries = told["entries"].as_array().unwrap();
        let last = entries.last().unwrap();
        assert!(versions.contains(&entries.len()), "{told}");
        assert_eq!((&last["offset"], &last["artefact"]), (&module["published_at"], &module["artefact"]));
        assert!(!entries[0]["tables"].as_array().unwrap().is_empty(), "{told}");
    }
}
