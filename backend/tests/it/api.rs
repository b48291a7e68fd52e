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

    /// Uploads packages, each by the name of a file, in one request; the form comes last, as the clients send it.
    pub async fn upload(&self, path: &str, files: &[(String, Vec<u8>)], form: &Value) -> Value {
        let boundary = "a1b2c3d4e5f6";
        let head = |name: &str, file: &str| {
            format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{file}\"\r\n\r\n"
            )
        };
        let mut body = Vec::new();
        for (name, bytes) in files {
            body.extend_from_slice(head("pkgs", name).as_bytes());
            body.extend_from_slice(bytes);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(head("json", "json").as_bytes());
        body.extend_from_slice(format!("{form}\r\n--{boundary}--\r\n").as_bytes());
        let request = self.client.post(format!("{}{path}", self.url));
        let kind = format!("multipart/form-data; boundary={boundary}");
        let request = request.basic_auth(&self.login, Some(&self.token));
        let answer = request.header("Content-Type", kind).body(body).send().await;
        let answer = answer.unwrap();
        let (status, said): (u16, Value) = (answer.status().as_u16(), answer.json().await.unwrap());
        assert_eq!(status, 200, "{path}: {said}");
        said
    }

    /// Posts what has to work.
    pub async fn done(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.post(path, body).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }
}
