//! A bucket of an S3-compatible store: what several machines share without a file system.

use std::time::Duration;

use anyhow::Context;
use object_store::{
    BackoffConfig, ClientOptions, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
};
use url::Url;
use zeroize::Zeroizing;

use crate::tls;

/// How long a connection to the store may take.
const CONNECT: Duration = Duration::from_secs(2);
/// How long the store may take for 25 MiB: less than the request has that waits for it.
const ANSWER: Duration = Duration::from_secs(15);
/// How often, and how long, what the store could not do is tried again.
const RETRIES: usize = 2;
const RETRY_FOR: Duration = Duration::from_secs(5);

/// A bucket and the key to it.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// The store's address.
    pub endpoint: Url,
    /// What requests are signed for.
    pub region: String,
    /// The access key's id.
    pub key_id: String,
    /// The access key's secret.
    pub secret: Zeroizing<String>,
}

/// The store. Nothing is sent yet.
pub fn open(bucket: &Bucket) -> anyhow::Result<AmazonS3> {
    tls::prepare();
    let plain = bucket.endpoint.scheme() == "http";
    let options = ClientOptions::new()
        .with_allow_http(plain)
        .with_connect_timeout(CONNECT)
        .with_timeout(ANSWER);
    let retry = RetryConfig {
        backoff: BackoffConfig::default(),
        max_retries: RETRIES,
        retry_timeout: RETRY_FOR,
    };
    AmazonS3Builder::new()
        .with_endpoint(bucket.endpoint.as_str().trim_end_matches('/'))
        .with_region(&bucket.region)
        .with_bucket_name(&bucket.name)
        .with_access_key_id(&bucket.key_id)
        .with_secret_access_key(bucket.secret.as_str())
        // Not every store has S3's request that deletes many.
        .with_disable_bulk_delete(true)
        .with_client_options(options)
        .with_retry(retry)
        .build()
        .context("the documents' bucket cannot be used")
}
