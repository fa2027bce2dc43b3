//! PostgreSQL's own programs, which write and read dumps. Only the commands `backup` and `restore`
//! start them; the server starts no program.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};
use percent_encoding::percent_decode_str;
use url::Url;
use zeroize::Zeroizing;

/// Where Debian has PostgreSQL's programs, one folder per version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// How to start PostgreSQL's programs on a database.
pub struct Tools {
    folder: Option<PathBuf>,
    /// The address without the password: whoever lists processes sees it.
    address: String,
    password: Option<Zeroizing<String>>,
}

impl Tools {
    /// The programs of a folder: the one that is given, else the newest of Debian's, else wherever
    /// the shell finds them.
    pub fn new(database: &str, folder: Option<PathBuf>) -> anyhow::Result<Self> {
        let mut url = Url::parse(database).context("the database's address cannot be read")?;
        let password = url.password().map(|password| percent_decode_str(password).decode_utf8());
        let password = password.transpose().context("the database's password is not UTF-8")?;
        let password = password.map(|password| Zeroizing::new(password.into_owned()));
        let cleared = url.set_password(None);
        ensure!(cleared.is_ok(), "the database's address names no server");
        Ok(Self { folder: folder.or_else(newest), address: url.into(), password })
    }

    /// Writes a dump of what a snapshot sees.
    pub async fn dump(&self, snapshot: &str, file: &Path) -> anyhow::Result<()> {
        let mut command = self.command("pg_dump");
        command.args(["--format=custom", "--no-owner", "--lock-wait-timeout=60s"]);
        command.arg(format!("--snapshot={snapshot}")).arg("--file").arg(file);
        run(command).await
    }

    /// Reads a dump into an empty database: all of it, or nothing.
    pub async fn load(&self, file: &Path) -> anyhow::Result<()> {
        let mut command = self.command("pg_restore");
        command.args(["--no-owner", "--single-transaction", "--exit-on-error"]).arg(file);
        run(command).await
    }

    fn command(&self, name: &str) -> Command {
        let program = self.folder.as_ref().map_or_else(|| name.into(), |folder| folder.join(name));
        let mut command = Command::new(program);
        command.arg("--no-password").arg("--dbname").arg(&self.address);
        if let Some(password) = &self.password {
            command.env("PGPASSWORD", password.as_str());
        }
        command.stdin(Stdio::null());
        command
    }
}

fn newest() -> Option<PathBuf> {
    let versions = std::fs::read_dir(DEBIAN)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let versions = versions.filter_map(|name| Some((name.parse::<u32>().ok()?, name)));
    let programs = |name: &String| Path::new(DEBIAN).join(name).join("bin");
    let usable = versions.filter(|(_, name)| programs(name).join("pg_dump").exists());
    usable.max().map(|(_, name)| programs(&name))
}

async fn run(mut command: Command) -> anyhow::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let ended = tokio::task::spawn_blocking(move || command.output()).await?;
    let ended = ended.with_context(|| format!("{name} cannot be started: is it installed?"))?;
    let said = String::from_utf8_lossy(&ended.stderr);
    // The first line says what happened; those after it may quote rows.
    let said = said.lines().next().unwrap_or_default();
    ensure!(ended.status.success(), "{name} failed: {said}");
    Ok(())
}
