// What attackers try on the way in, through NGINX.

import { request as plain } from "node:http";
import { connect } from "node:net";

import { expect, test } from "@playwright/test";

import { PASSWORD } from "../pages/sign_in.js";

/** Sends a request exactly as it is written, and answers all that comes back. */
function raw(base: string, text: string): Promise<string> {
  const { hostname, port } = new URL(base);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname, () => socket.write(text));
    let answer = "";
    socket.setEncoding("utf8");
    socket.on("data", (piece) => (answer += piece));
    socket.on("error", () => resolve(answer));
    socket.on("close", () => resolve(answer));
  });
}

/** GET with a path that nobody tidies up before. */
function get(base: string, path: string): Promise<{ status: number; body: string }> {
  const { hostname, port } = new URL(base);
  return new Promise((resolve, reject) => {
    const sent = plain({ hostname, port, path }, (answer) => {
      let body = "";
      answer.on("data", (piece) => (body += piece));
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, body }));
    });
    sent.on("error", reject).end();
  });
}

test("no address leads to a file that is not the product's", async ({ baseURL }) => {
  const ways = [
    "/../../../../etc/passwd",
    "/..%2f..%2f..%2f..%2fetc%2fpasswd",
    "/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "/assets/....//....//etc/passwd",
    "/api/docs/..%2f..%2f..%2fetc%2fpasswd",
    "/api/v1/../../../etc/passwd",
    "/.git/config",
    "/.data/secret-key",
    "/nginx.conf",
  ];
  for (const way of ways) {
    const { status, body } = await get(baseURL!, way);
    expect(body, way).not.toMatch(/root:|\[core\]|worker_processes|^[0-9a-f]{64}$/m);
    // What has no ending like a file's is a page of the SPA.
    if (status === 200) expect(body, way).toMatch(/^<!doctype html>/i);
  }
});

test("methods that nobody needs are refused, and no other site is let in", async ({ request }) => {
  expect((await request.fetch("/api/v1/me", { method: "TRACE" })).status()).toBe(405);
  const asked = await request.fetch("/api/v1/me", {
    method: "OPTIONS",
    headers: { origin: "https://elsewhere.example", "access-control-request-method": "GET" },
  });
  expect(asked.headers()["access-control-allow-origin"]).toBeUndefined();
  const answered = await request.get("/api/v1/me", { headers: { origin: "https://elsewhere.example" } });
  expect(answered.headers()["access-control-allow-origin"]).toBeUndefined();
});

test("headers and bodies that are too large are refused with a problem", async ({ request }) => {
  const header = await request.get("/api/v1/me", { headers: { "x-large": "x".repeat(20_000) } });
  expect(header.status()).toBe(400);
  expect(await header.json()).toMatchObject({
    type: "/problems/malformed-request",
    instance: header.headers()["x-request-id"],
  });
  const body = await request.post("/api/v1/auth/login", { data: { email: "x".repeat(20_000), password: "x" } });
  expect(body.status()).toBe(413);
  expect(await body.json()).toMatchObject({
    type: "/problems/too-large",
    instance: body.headers()["x-request-id"],
  });
});

test("what callers claim about their address and request does not count", async ({ request }) => {
  const claimed = "f".repeat(32);
  const answer = await request.post("/api/v1/auth/login", {
    headers: { "x-forwarded-for": "198.51.100.77", "x-request-id": claimed },
    data: { email: "admin@example.org", password: PASSWORD },
  });
  const { access_token } = await answer.json();
  const id = answer.headers()["x-request-id"];
  expect(id).toMatch(/^[0-9a-f]{32}$/);
  expect(id).not.toBe(claimed);
  const headers = { authorization: `Bearer ${access_token}` };
  const page = await request.get("/api/v1/audit-events?action=session.sign_in&limit=200", { headers });
  const { items } = await page.json();
  expect(items.find((entry: { request_id: string }) => entry.request_id === id)?.address).toBe("127.0.0.1");
  expect(items.some((entry: { request_id: string }) => entry.request_id === claimed)).toBe(false);
});

test("a body that dribbles is given up on", async ({ baseURL }) => {
  const begun = Date.now();
  const head = "POST /api/v1/auth/login HTTP/1.1\r\nHost: nephrocast\r\nConnection: close\r\n";
  const answer = await raw(baseURL!, `${head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{`);
  expect(answer).not.toContain(" 200 ");
  expect(Date.now() - begun).toBeLessThan(15_000);
});

test("the answers say how much of the allowance is left", async ({ request }) => {
  const answer = await request.get("/api/v1/me");
  expect(answer.headers()["ratelimit-policy"]).toMatch(/^"address";q=\d+;w=60$/);
  expect(answer.headers()["ratelimit"]).toMatch(/^"address";r=\d+;t=\d+$/);
});
