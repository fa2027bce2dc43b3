//! Where the content of documents is kept.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Args;
use url::Url;
use zeroize::Zeroizing;

use crate::documents::{Documents, clamd::Clamd, s3::Bucket};

/// Where the content of documents is kept.
#[derive(Args, Clone, Debug)]
pub struct DocumentsConfig {
    /// Folder of the documents' content: of one machine, or one that all machines share. Not used
    /// when there is a bucket.
    #[arg(long, env = "NEPHROCAST_DOCUMENTS_DIR", default_value = ".data/documents")]
    pub documents_dir: PathBuf,
    /// The bucket instead of the folder.
    #[command(flatten)]
    pub s3: S3Config,
    /// Socket of ClamAV's daemon: every document is scanned, and none is taken while it does not
    /// answer.
    #[arg(long, env = "NEPHROCAST_CLAMD_SOCKET")]
    pub clamd_socket: Option<PathBuf>,
}

impl DocumentsConfig {
    /// Opens the store.
    pub fn open(&self) -> anyhow::Result<Documents> {
        let scanner = self.clamd_socket.clone().map(Clamd::at);
        match self.s3.bucket()? {
            Some(bucket) => Documents::in_bucket(&bucket, scanner),
            None => Documents::in_folder(&self.documents_dir, scanner),
        }
    }
}

/// A bucket of an S3-compatible store.
#[derive(Args, Clone, Debug)]
pub struct S3Config {
    /// Bucket for the documents' content, and nothing else, of an S3-compatible store.
    #[arg(long, env = "NEPHROCAST_DOCUMENTS_S3_BUCKET")]
    pub documents_s3_bucket: Option<String>,
    /// Address of the store, such as `https://s3.example.org`; the bucket's name follows it as the
    /// first part of the path.
    #[arg(long, env = "NEPHROCAST_DOCUMENTS_S3_ENDPOINT")]
    pub documents_s3_endpoint: Option<Url>,
    /// Region that requests are signed for. [default: us-east-1]
    #[arg(long, env = "NEPHROCAST_DOCUMENTS_S3_REGION")]
    pub documents_s3_region: Option<String>,
    /// The access key's id.
    #[arg(long, env = "NEPHROCAST_DOCUMENTS_S3_KEY_ID")]
    pub documents_s3_key_id: Option<String>,
    /// File with the secret of the access key.
    #[arg(long, env = "NEPHROCAST_DOCUMENTS_S3_SECRET_FILE")]
    pub documents_s3_secret_file: Option<PathBuf>,
}

impl S3Config {
    /// The bucket, if there is one; one setting without the others is a mistake.
    fn bucket(&self) -> anyhow::Result<Option<Bucket>> {
        let Self {
            documents_s3_bucket: name,
            documents_s3_endpoint: endpoint,
            documents_s3_region: region,
            documents_s3_key_id: key_id,
            documents_s3_secret_file: secret_file,
        } = self;
        let given = [endpoint.is_some(), key_id.is_some(), secret_file.is_some()];
        if name.is_none() && region.is_none() && given == [false; 3] {
            return Ok(None);
        }
        let missing = |setting| format!("NEPHROCAST_DOCUMENTS_S3_{setting} is missing");
        let name = name.clone().with_context(|| missing("BUCKET"))?;
        let endpoint = endpoint.clone().with_context(|| missing("ENDPOINT"))?;
        ensure!(
            ["http", "https"].contains(&endpoint.scheme()) && endpoint.host().is_some(),
            "NEPHROCAST_DOCUMENTS_S3_ENDPOINT must begin with https:// or http://"
        );
        let key_id = key_id.clone().with_context(|| missing("KEY_ID"))?;
        let file = secret_file.as_ref().with_context(|| missing("SECRET_FILE"))?;
        let text = std::fs::read_to_string(file).map(Zeroizing::new).with_context(|| {
            format!("the documents' store's secret {} cannot be read", file.display())
        })?;
        let secret = Zeroizing::new(text.trim().to_owned());
        let region = region.clone().unwrap_or_else(|| "us-east-1".to_owned());
        Ok(Some(Bucket { name, endpoint, region, key_id, secret }))
    }
}
