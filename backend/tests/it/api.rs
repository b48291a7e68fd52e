//! The API, for what no client of Copr's knows.

use std::time::Duration;

use serde_json::Value;

/// A user's way to it.
pub struct Api {
    client: reqwest::Client,
    url: String,
    login: String,
    token: String,
}

impl Api {
    pub fn new(url: String, login: String, token: String) -> Self {
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(120))
            .build();
        Self {
            client: client.unwrap(),
            url,
            login,
            token,
        }
    }

    pub async fn get(&self, path: &str) -> Value {
        let answer = self.client.get(format!("{}{path}", self.url)).send().await;
        answer.unwrap().error_for_status().unwrap().json().await.unwrap()
    }

    /// Posts; the status and the answer.
    pub async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let request = self.client.post(format!("{}{path}", self.url));
        let request = request.basic_auth(&self.login, Some(&self.token)).json(&body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Posts what has to work.
    pub async fn done(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.post(path, body).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }
}
