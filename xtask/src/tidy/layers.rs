//! Which crate may depend on which.
//!
//! A manifest is read line by line, in the forms that manifests are written in: `name.workspace = true`,
//! `name = { … }`, a renamed `other = { package = "name" }`, and a table of its own, `[dependencies.name]`.

use super::Finding;

/// One crate and what it may depend on.
struct Layer {
    name: &'static str,
    always: &'static [&'static str],
    /// Only as an optional dependency, for a feature.
    optional: &'static [&'static str],
    /// Only in its tests.
    tests: &'static [&'static str],
}

const fn layer(name: &'static str, always: &'static [&'static str]) -> Layer {
    Layer { name, always, optional: &[], tests: &[] }
}

/// The whole table of arrows. Names are without their `interstice-`.
const LAYERS: &[Layer] = &[
    layer("types", &[]),
    layer("log", &[]),
    layer("sdk-macros", &["types"]),
    layer("abi", &["types"]),
    layer("protocol", &["types"]),
    layer("store", &["types"]),
    layer("engine", &["types", "store"]),
    Layer { name: "wasm", always: &["types", "abi", "engine"], optional: &[], tests: &["store"] },
    layer("interstice", &["types", "store", "log", "engine"]),
    layer("client", &["types", "protocol"]),
    Layer {
        name: "server",
        always: &["types", "protocol", "log", "engine", "wasm", "interstice"],
        optional: &[],
        tests: &["client"],
    },
    layer("cli", &["types", "protocol", "store", "log", "engine", "wasm", "interstice", "server", "client"]),
    Layer {
        name: "sdk",
        always: &["types", "abi", "sdk-macros"],
        optional: &["store", "engine", "interstice", "wasm"],
        tests: &[],
    },
    Layer {
        name: "sim",
        always: &["types", "store", "log", "engine", "interstice"],
        optional: &[],
        tests: &["wasm", "sdk"],
    },
];

/// A dependency on one of our crates, as a manifest states it.
#[derive(Debug, PartialEq, Eq)]
struct Arrow {
    line: usize,
    target: String,
    tests: bool,
    optional: bool,
}

/// Every arrow of the manifest in `crates/<folder>` that the table does not have.
pub(super) fn check(folder: &str, manifest: &str) -> Vec<Finding> {
    let Some(layer) = short_name(folder).and_then(|name| LAYERS.iter().find(|layer| layer.name == name)) else {
        let message = format!("crate `{folder}` is not in the table of arrows (xtask/src/tidy/layers.rs)");
        return vec![Finding { line: 1, message }];
    };
    let refusal = |arrow: Arrow| {
        let (name, target) = (layer.name, arrow.target.as_str());
        let message = match () {
            () if layer.always.contains(&target) => return None,
            () if arrow.tests && (target == name || layer.tests.contains(&target)) => return None,
            () if layer.optional.contains(&target) && (arrow.tests || arrow.optional) => return None,
            () if layer.optional.contains(&target) => format!("`{name}` may depend on `{target}` only as `optional`"),
            () if layer.tests.contains(&target) => format!("`{name}` may depend on `{target}` in its tests only"),
            () if arrow.tests => format!("the tests of `{name}` may not depend on `{target}`"),
            () => format!("`{name}` may not depend on `{target}`"),
        };
        Some(Finding { line: arrow.line, message })
    };
    arrows(manifest).into_iter().filter_map(refusal).collect()
}

/// `interstice-store` is `store`, `interstice` is itself, and another crate is none of ours.
fn short_name(name: &str) -> Option<&str> {
    if name == "interstice" { Some(name) } else { name.strip_prefix("interstice-") }
}

fn arrows(manifest: &str) -> Vec<Arrow> {
    let mut found: Vec<Arrow> = Vec::new();
    let mut table = Table::Other;
    for (index, line) in manifest.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let mut add = |target: &str, tests, optional| {
            found.push(Arrow { line: index + 1, target: target.to_owned(), tests, optional });
        };
        if let Some(header) = line.strip_prefix('[') {
            table = Table::of(header.trim_end_matches(']'));
            if let Table::One { tests, name: Some(name) } = &table {
                add(name, *tests, false);
            }
            continue;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        match &table {
            Table::Many { tests } => {
                let name = package(value).unwrap_or_else(|| key.split('.').next().unwrap_or_default());
                if let Some(target) = short_name(unquoted(name)) {
                    add(target, *tests, value.replace(' ', "").contains("optional=true"));
                }
            }
            Table::One { tests, name } => match (key.trim(), name) {
                ("package", None) => short_name(unquoted(value)).into_iter().for_each(|name| add(name, *tests, false)),
                ("optional", Some(_)) => found.iter_mut().last().into_iter().for_each(|arrow| {
                    arrow.optional = value.trim() == "true";
                }),
                _ => {}
            },
            Table::Other => {}
        }
    }
    found
}

/// What the lines below a header of a manifest are about.
enum Table {
    /// `[dependencies]`: one dependency a line.
    Many {
        tests: bool,
    },
    /// `[dependencies.name]`: one line a property; the name, if it is one of ours.
    One {
        tests: bool,
        name: Option<String>,
    },
    Other,
}

impl Table {
    fn of(header: &str) -> Self {
        let kinds = ["dev-dependencies", "build-dependencies", "dependencies"];
        let found = kinds.iter().find_map(|kind| header.find(kind).map(|start| (*kind, &header[start + kind.len()..])));
        match found {
            Some((kind, "")) => Self::Many { tests: kind == "dev-dependencies" },
            Some((kind, rest)) => {
                let name = rest.strip_prefix('.').and_then(|name| short_name(unquoted(name))).map(str::to_owned);
                Self::One { tests: kind == "dev-dependencies", name }
            }
            None => Self::Other,
        }
    }
}

/// The name behind `package = "…"` in an inline table.
fn package(value: &str) -> Option<&str> {
    let (_, rest) = value.split_once("package")?;
    rest.split('"').nth(1)
}

fn unquoted(name: &str) -> &str {
    name.trim().trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(folder: &str, manifest: &str) -> Vec<String> {
        check(folder, manifest).into_iter().map(|finding| format!("{}: {}", finding.line, finding.message)).collect()
    }

    #[test]
    fn an_arrow_of_the_table_passes_and_another_is_found() {
        let manifest = "[package]\nname = \"x\"\n\n[dependencies]\nthiserror.workspace = true\n\
                        interstice-types.workspace = true\ninterstice-log.workspace = true\n";
        assert_eq!(messages("interstice-store", manifest), ["7: `store` may not depend on `log`"]);
        assert_eq!(messages("interstice", manifest), [""; 0]);
    }

    #[test]
    fn an_arrow_is_found_in_every_form_it_is_written_in() {
        for manifest in [
            "[dependencies]\ninterstice.workspace = true\n",
            "[dependencies]\ninterstice = { path = \"../interstice\" }\n",
            "[dependencies]\n\"interstice\" = \"1\"\n",
            "[dependencies]\ndatabase = { package = \"interstice\", path = \"../interstice\" }\n",
            "[target.'cfg(unix)'.dependencies]\ninterstice.workspace = true\n",
            "[build-dependencies]\ninterstice.workspace = true\n",
            "\n[dependencies.interstice]\nworkspace = true\n",
            "[dependencies.database]\npackage = \"interstice\"\n",
        ] {
            assert_eq!(
                messages("interstice-types", manifest),
                ["2: `types` may not depend on `interstice`"],
                "{manifest}"
            );
        }
    }

    #[test]
    fn what_is_not_a_dependency_is_no_arrow() {
        let manifest = "[package]\nname = \"interstice-types\"\n[features]\ninterstice-log = []\n\
                        [dependencies]\n# interstice-log.workspace = true\n[lints]\ninterstice-log = true\n";
        assert_eq!(messages("interstice-types", manifest), [""; 0]);
    }

    #[test]
    fn a_crate_outside_of_the_table_is_found() {
        for folder in ["interstice-nowhere", "store", "helpers"] {
            assert_eq!(check(folder, "").len(), 1, "{folder}");
        }
    }

    #[test]
    fn tests_have_their_own_arrows_and_may_use_their_own_crate() {
        let wasm = |section: &str| format!("[{section}]\ninterstice-wasm.workspace = true\n");
        assert_eq!(messages("interstice-sim", &wasm("dev-dependencies")), [""; 0]);
        let found = messages("interstice-sim", &wasm("dependencies"));
        assert_eq!(found, ["2: `sim` may depend on `wasm` in its tests only"]);
        let found = messages("interstice-log", &wasm("dev-dependencies"));
        assert_eq!(found, ["2: the tests of `log` may not depend on `wasm`"]);
        assert_eq!(messages("interstice-wasm", &wasm("dev-dependencies")), [""; 0]);
    }

    #[test]
    fn what_the_sdk_needs_for_its_test_feature_is_optional() {
        let one = "[dependencies]\ninterstice-engine = { workspace = true, optional = true }\n";
        let own_table = "[dependencies.interstice-engine]\nworkspace = true\noptional = true\n";
        let always = "[dependencies]\ninterstice-engine.workspace = true\n";
        assert_eq!(messages("interstice-sdk", one), [""; 0]);
        assert_eq!(messages("interstice-sdk", own_table), [""; 0]);
        assert_eq!(messages("interstice-sdk", always), ["2: `sdk` may depend on `engine` only as `optional`"]);
    }

    #[test]
    fn the_table_has_no_cycle() {
        for (index, layer) in LAYERS.iter().enumerate() {
            for target in layer.always.iter().chain(layer.optional) {
                let position = LAYERS.iter().position(|other| other.name == *target);
                let below = position.is_some_and(|position| position < index);
                assert!(below, "`{}` comes before `{target}`", layer.name);
            }
        }
    }
}
