//! Module projects: what Cargo knows of them, and the way to WebAssembly.
//!
//! 1. The target is there, or is added and said so.
//! 2. Cargo builds a `cdylib`: memory of a fixed size, `__heap_base` and `__stack_pointer` exported, randomness from the host, no machine paths.
//! 3. The module describes itself in an empty sandbox; every rule that its schema breaks is reported.
//! 4. The schema goes into the artefact, which is what a node reads.

use crate::failure::Failure;
use crate::output::Output;
use cargo_metadata::{Message, Metadata, MetadataCommand, Package, TargetKind};
use interstice_types::problem::Problem;
use interstice_types::schema::{Schema, validate};
use interstice_wasm::artefact;
use interstice_wasm::runtime::Runtime;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const TARGET: &str = "wasm32-unknown-unknown";
/// Bytes of a module's memory: all that it ever has. Pages that are not touched cost nothing.
const MEMORY_SIZE: u32 = 16 << 20;

/// Bytes of a file that are looked at to say what is wrong with it: more than a node takes.
const MAX_READ_SIZE: u64 = 64 << 20;

/// A module project.
pub(crate) struct Project {
    metadata: Metadata,
    package: Package,
}

/// A built module.
pub(crate) struct Built {
    /// The artefact, with its schema inside.
    pub(crate) wasm: Vec<u8>,
    /// What it declares.
    pub(crate) schema: Schema,
    /// Where it was written.
    pub(crate) file: PathBuf,
    /// How long it took.
    pub(crate) elapsed: Duration,
    /// How much of that Cargo took.
    pub(crate) compiling: Duration,
}

/// What `interstice dev --once` does with a project.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Demo {
    /// Projects whose modules must be there first, relative to this one.
    #[serde(default)]
    pub(crate) needs: Vec<PathBuf>,
    /// A reducer and its arguments.
    #[serde(default)]
    pub(crate) call: Vec<String>,
    /// A query and its arguments.
    #[serde(default)]
    pub(crate) query: Vec<String>,
}

impl Project {
    /// The project in directory `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let manifest = path.join("Cargo.toml");
        if !manifest.is_file() {
            let problem = Problem::new("not-a-project", format!("`{}` has no `Cargo.toml`", path.display()))
                .hint("name the directory of a module project, as in `interstice build examples/hello`");
            return Err(Failure::new(crate::failure::exit::USAGE, problem));
        }
        let metadata = MetadataCommand::new().manifest_path(&manifest).no_deps().exec();
        let metadata = metadata.map_err(|error| {
            Problem::new("invalid-project", error.to_string().trim().to_owned()).at(manifest.display().to_string())
        })?;
        let wanted = manifest.canonicalize().map_err(|error| Failure::file(&manifest, &error))?;
        let found = metadata.packages.iter().find(|package| package.manifest_path.as_std_path() == wanted);
        let package = found.cloned().ok_or_else(|| {
            Problem::new("not-a-module", format!("`{}` is a workspace, not a module", path.display()))
                .hint("name the directory of one of its members")
        })?;
        if !package.targets.iter().any(|target| target.kind.contains(&TargetKind::CDyLib)) {
            let problem = Problem::new("not-a-module", format!("crate `{}` is not built as a module", package.name))
                .hint("put `crate-type = [\"cdylib\", \"lib\"]` under `[lib]` in its `Cargo.toml`");
            return Err(problem.into());
        }
        Ok(Self { metadata, package })
    }

    /// The projects at `paths`, each behind those that its demonstration and its tests need, each once.
    pub(crate) fn open_with_needs(paths: &[PathBuf]) -> Result<Vec<Self>, Failure> {
        let mut projects: Vec<Self> = Vec::new();
        for path in paths {
            let project = Self::open(path)?;
            let needs = project.demo()?.needs;
            let needs: Vec<_> = needs.iter().map(|need| project.directory().join(need)).collect();
            for needed in Self::open_with_needs(&needs)?.into_iter().chain([project]) {
                if !projects.iter().any(|known| known.is_same(&needed)) {
                    projects.push(needed);
                }
            }
        }
        Ok(projects)
    }

    /// What its demonstration does, if it says so.
    pub(crate) fn demo(&self) -> Result<Demo, Failure> {
        let demo = self.package.metadata.get("interstice").and_then(|interstice| interstice.get("demo"));
        let read = |demo: &serde_json::Value| {
            serde_json::from_value(demo.clone()).map_err(|error| {
                let place = format!("[package.metadata.interstice.demo] of `{}`", self.package.manifest_path);
                Problem::new("invalid-project", error.to_string()).at(place).into()
            })
        };
        demo.map_or_else(|| Ok(Demo::default()), read)
    }

    /// The files that it was made of when it was compiled last: its own, and those of other packages that are no published ones.
    /// Before that: none.
    pub(crate) fn sources(&self) -> Vec<PathBuf> {
        let made = self.directory_for_builds().join(TARGET).join("release").join(format!("{}.d", self.library()));
        let text = std::fs::read_to_string(made).unwrap_or_default();
        // As `make` writes it: the product, a colon, and what it depends on; blanks in names stand behind a backslash.
        let (_, sources) = text.split_once(": ").unwrap_or_default();
        let names = sources.lines().next().unwrap_or_default().replace("\\ ", "\0");
        names.split(' ').filter(|name| !name.is_empty()).map(|name| PathBuf::from(name.replace('\0', " "))).collect()
    }

    /// Whether both are one project.
    fn is_same(&self, other: &Self) -> bool {
        self.package.id == other.package.id
    }

    /// The name of its module, if it is given no other.
    pub(crate) fn module_name(&self) -> String {
        self.package.name.replace('-', "_")
    }

    /// The name of its library.
    fn library(&self) -> String {
        let library = self.package.targets.iter().find(|target| target.kind.contains(&TargetKind::CDyLib));
        library.expect("invariant: a module is a library").name.replace('-', "_")
    }

    /// The directory that it is in.
    pub(crate) fn directory(&self) -> &Path {
        self.manifest().parent().expect("invariant: a manifest is in a directory")
    }

    /// Its `Cargo.toml`.
    pub(crate) fn manifest(&self) -> &Path {
        self.package.manifest_path.as_std_path()
    }

    /// Builds the module; a name other than the crate's may be given.
    pub(crate) fn build(&self, name: Option<&str>, output: &Output) -> Result<Built, Failure> {
        ensure_target(output)?;
        let started = Instant::now();
        // Others may build a project of the same name into the same directory: what Cargo wrote is read before they do.
        let _lock = self.lock_builds()?;
        self.forget_namesake()?;
        let compiling = Instant::now();
        let file = self.compile()?;
        let compiling = compiling.elapsed();
        let wasm = std::fs::read(&file).map_err(|error| Failure::file(&file, &error))?;
        let schema = self.described(&wasm, name)?;
        check(&schema)?;
        let wasm = artefact::with_schema(&wasm, &schema)?;
        let file = self.directory_for_builds().join(format!("{}.wasm", schema.module));
        // Under another name first: whoever reads it meanwhile has the old artefact or the new one.
        let unfinished = file.with_extension(format!("wasm.{}", std::process::id()));
        let written = std::fs::write(&unfinished, &wasm).and_then(|()| std::fs::rename(&unfinished, &file));
        written.map_err(|error| Failure::file(&file, &error))?;
        Ok(Built { wasm, schema, file, elapsed: started.elapsed(), compiling })
    }

    /// The artefact as it comes, with the schema that it gives if it gives one: for those who say what is wrong with it.
    pub(crate) fn build_unchecked(&self, output: &Output) -> Result<Vec<u8>, Failure> {
        ensure_target(output)?;
        let _lock = self.lock_builds()?;
        self.forget_namesake()?;
        let wasm = artefact_in(&self.compile()?)?;
        match self.described(&wasm, None) {
            Ok(schema) => Ok(artefact::with_schema(&wasm, &schema)?),
            Err(_) => Ok(wasm),
        }
    }

    /// What the module says of itself, under the name and the version that are the project's to give.
    fn described(&self, wasm: &[u8], name: Option<&str>) -> Result<Schema, Failure> {
        let mut schema = Runtime::new()?.describe(wasm)?;
        schema.module = name.map_or_else(|| self.module_name(), str::to_owned);
        schema.version = self.package.version.to_string();
        Ok(schema)
    }

    fn lock_builds(&self) -> Result<File, Failure> {
        let directory = self.directory_for_builds();
        let path = directory.join(".lock");
        let lock = std::fs::create_dir_all(&directory).and_then(|()| File::create(&path));
        let locked = lock.and_then(|lock| lock.lock().map(|()| lock));
        locked.map_err(|error| Failure::file(&path, &error))
    }

    /// Takes away what was built of another project whose crate has the same name: Cargo tells by its age alone whether that is what
    /// this project comes to, for the file is called like the crate and nothing else.
    fn forget_namesake(&self) -> Result<(), Failure> {
        let name = self.library();
        let directory = self.directory_for_builds();
        let (of, manifest) = (directory.join(format!("{name}.manifest")), self.package.manifest_path.as_str());
        if std::fs::read_to_string(&of).is_ok_and(|last| last == manifest) {
            return Ok(());
        }
        let built = directory.join(TARGET).join("release/deps").join(format!("{name}.wasm"));
        let gone = std::fs::remove_file(&built).or_else(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        });
        gone.map_err(|error| Failure::file(&built, &error))?;
        std::fs::write(&of, manifest).map_err(|error| Failure::file(&of, &error))
    }

    /// Apart from the project's own builds: other flags would make Cargo build everything anew at each turn.
    pub(crate) fn directory_for_builds(&self) -> PathBuf {
        self.metadata.target_directory.as_std_path().join("interstice")
    }

    fn compile(&self) -> Result<PathBuf, Failure> {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(["build", "--release", "--lib", "--target", TARGET, "--message-format=json-render-diagnostics"]);
        for setting in
            ["opt-level=3", "lto=\"fat\"", "codegen-units=1", "panic=\"abort\"", "debug=false", "strip=\"none\""]
        {
            command.args(["--config", &format!("profile.release.{setting}")]);
        }
        // Numbers of the module's own that go over their end stop the call, as they do in a test, rather than become others.
        let checks = format!("profile.release.package.\"{}\".overflow-checks=true", self.package.name);
        command.args(["--config", &checks]);
        command.arg("--manifest-path").arg(self.manifest());
        command.arg("--target-dir").arg(self.directory_for_builds());
        command.env("CARGO_ENCODED_RUSTFLAGS", Self::flags().join("\x1f")).env_remove("RUSTFLAGS");
        // What a surrounding `cargo run` sets for its own build is not meant for this one.
        command.env_remove("CARGO_TARGET_DIR").env_remove("CARGO_BUILD_TARGET_DIR");
        let failed = |error: std::io::Error| Problem::new("no-cargo", format!("cargo does not start: {error}"));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().map_err(failed)?;
        let stdout = child.stdout.take().expect("invariant: stdout is piped");
        let mut built = None;
        for message in Message::parse_stream(BufReader::new(stdout)).flatten() {
            if let Message::CompilerArtifact(artefact) = message
                && artefact.package_id == self.package.id
            {
                built = artefact.filenames.into_iter().find(|file| file.extension() == Some("wasm")).or(built);
            }
        }
        let status = child.wait().map_err(failed)?;
        let not_built = || {
            Problem::new("not-built", format!("module `{}` does not compile", self.package.name))
                .at(self.package.manifest_path.to_string())
        };
        if !status.success() {
            return Err(not_built().hint("mend what the compiler says above").into());
        }
        Ok(built.map(PathBuf::from).ok_or_else(not_built)?)
    }

    fn flags() -> Vec<String> {
        let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
        let mut flags = vec![
            "--cfg=getrandom_backend=\"custom\"".to_owned(),
            format!("-Clink-arg=--initial-memory={MEMORY_SIZE}"),
            format!("-Clink-arg=--max-memory={MEMORY_SIZE}"),
            "-Clink-arg=--export=__heap_base".to_owned(),
            "-Clink-arg=--export=__stack_pointer".to_owned(),
        ];
        // The same sources give the same artefact, wherever the registry is; paths in the workspace are relative to it. The flags
        // are the same for all projects: what one has compiled another need not compile again.
        let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
        let home = home.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")));
        flags.extend(home.map(|home| remap(&home, "cargo")));
        flags
    }
}

/// Adds the target to the active toolchain if it is not there.
fn ensure_target(output: &Output) -> Result<(), Failure> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let sysroot = Command::new(rustc).args(["--print", "sysroot"]).output();
    let sysroot = sysroot.map_err(|error| Problem::new("no-rustc", format!("rustc does not start: {error}")))?;
    let sysroot = PathBuf::from(String::from_utf8_lossy(&sysroot.stdout).trim());
    if sysroot.join("lib/rustlib").join(TARGET).is_dir() {
        return Ok(());
    }
    output.step("target", TARGET, "missing, adding it with `rustup target add`");
    let status = Command::new("rustup").args(["target", "add", TARGET]).stdout(Stdio::null()).status();
    if status.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    let hint = format!("rustup target add {TARGET}");
    Err(Problem::new("no-target", format!("the toolchain cannot build for {TARGET}")).hint(hint).into())
}

/// Refuses a schema that breaks a rule, naming every one.
fn check(schema: &Schema) -> Result<(), Failure> {
    let violations = validate::validate(schema);
    if violations.is_empty() {
        return Ok(());
    }
    let lines: Vec<_> = violations.iter().map(|v| format!("{}: {}", v.place, v.message)).collect();
    Err(Problem::new("invalid-schema", lines.join("\n")).at(format!("module `{}`", schema.module)).into())
}

/// The artefact in a file, or of a project, which is built; under another name than the crate's if one is given.
pub(crate) fn artefact_at(path: &Path, name: Option<&str>, output: &Output) -> Result<Vec<u8>, Failure> {
    if path.is_dir() {
        return Ok(Project::open(path)?.build(name, output)?.wasm);
    }
    let wasm = std::fs::read(path).map_err(|error| Failure::file(path, &error))?;
    // Without a change to make, what is wrong with it is for the node to say.
    let Some(name) = name else { return Ok(wasm) };
    renamed(&wasm, name)
}

/// The bytes of a file that may be an artefact, or be wrong in any way but its size.
pub(crate) fn artefact_in(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error| Failure::file(path, &error);
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(MAX_READ_SIZE + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_READ_SIZE {
        let text = format!("`{}` is larger than {MAX_READ_SIZE} bytes: no artefact is", path.display());
        return Err(Problem::new("too-large", text).into());
    }
    Ok(bytes)
}

/// The artefact as the module `name`.
pub(crate) fn renamed(wasm: &[u8], name: &str) -> Result<Vec<u8>, Failure> {
    let mut schema = artefact::schema_of(wasm)?;
    name.clone_into(&mut schema.module);
    check(&schema)?;
    Ok(artefact::with_schema(wasm, &schema)?)
}

/// `84 KiB`.
pub(crate) fn size_text(bytes: usize) -> String {
    format!("{} KiB", bytes.div_ceil(1024))
}

/// `2 tables, 3 reducers, 1 query`.
pub(crate) fn contents_text(schema: &Schema) -> String {
    let queries = schema.functions.iter().filter(|function| function.is_query()).count();
    let count = |n: usize, one: &str, many: &str| format!("{n} {}", if n == 1 { one } else { many });
    [
        count(schema.tables.len(), "table", "tables"),
        count(schema.functions.len() - queries, "reducer", "reducers"),
        count(queries, "query", "queries"),
    ]
    .join(", ")
}
