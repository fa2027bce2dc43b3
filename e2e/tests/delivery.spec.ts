// How NGINX delivers: headers, caching, compression, errors.

import { type APIRequestContext, type APIResponse, expect, test } from "@playwright/test";

import { complaints } from "../pages/complaints.js";
import { PASSWORD, signIn } from "../pages/sign_in.js";

const POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "frame-src blob:",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join("; ");

function expectGuarded(answer: APIResponse): void {
  const headers = answer.headersArray();
  const all = (name: string) =>
    headers.filter((header) => header.name.toLowerCase() === name).map((header) => header.value);
  expect(all("content-security-policy")).toEqual([POLICY]);
  expect(all("x-content-type-options")).toEqual(["nosniff"]);
  expect(all("referrer-policy")).toEqual(["no-referrer"]);
  expect(all("cross-origin-opener-policy")).toEqual(["same-origin"]);
  expect(all("cross-origin-resource-policy")).toEqual(["same-origin"]);
  expect(all("cache-control")).toHaveLength(1);
  expect(all("x-request-id")).toEqual([expect.stringMatching(/^[0-9a-f]{32}$/)]);
  expect(all("server").join()).not.toMatch(/\d/);
}

/** The SPA's files with a hash in their names, from its first page. */
async function hashedNames(request: APIRequestContext): Promise<string[]> {
  const html = await (await request.get("/")).text();
  const names = [...html.matchAll(/(?:src|href|content)="?(\/[^">\s]+-[0-9a-f]{8,16}(?:_bg)?\.\w+)/g)];
  return [...new Set(names.map((name) => name[1]))];
}

test("every answer is guarded, errors too", async ({ request }) => {
  const paths = ["/", "/patients", "/nothing.js", "/healthz", "/api/v1/me", "/api/v1/nothing"];
  for (const path of [...paths, ...(await hashedNames(request))]) {
    expectGuarded(await request.get(path));
  }
});

test("what has a hash in its name is kept for a year, the page is asked for each time", async ({
  request,
}) => {
  expect((await request.get("/")).headers()["cache-control"]).toBe("no-cache");
  expect((await request.get("/patients")).headers()["cache-control"]).toBe("no-cache");
  const names = await hashedNames(request);
  expect(names.length).toBeGreaterThan(3);
  for (const name of names) {
    const answer = await request.get(name);
    expect(answer.status()).toBe(200);
    expect(answer.headers()["cache-control"]).toBe("public, max-age=31536000, immutable");
  }
  const missing = await request.get("/shell-0123456789abcdef.css");
  expect(missing.status()).toBe(404);
  expect(missing.headers()["cache-control"]).not.toContain("immutable");
});

// The six programs of the SPA (frontend/src/programs.rs), each by one of its addresses; whoever
// comes to another than the clinic has signed in before.
for (const [program, address] of [["clinic", "/"], ["records", ""], ["own", "/my-record"], ["desk", "/patients/new"], ["office", "/users"], ["reading", "/research"]]) {
  test(`the first download of the ${program} is compressed and below 400 KB`, async ({ page }) => {
    const clinical = program === "records" || program === "desk";
    if (program !== "clinic") await signIn(page, clinical ? "clinician" : program === "own" ? "patient" : "admin");
    const record = page.getByRole("rowheader").getByRole("link").first();
    const path = address || (await record.getAttribute("href")) || "";
    let bytes = 0;
    const network = await page.context().newCDPSession(page);
    await network.send("Network.enable");
    await network.send("Network.setCacheDisabled", { cacheDisabled: true });
    const encodings = new Set<string | undefined>();
    page.on("response", (answer) => {
      if (/\.(wasm|js|css)$/.test(answer.url())) encodings.add(answer.headers()["content-encoding"]);
    });
    // The program as it is compressed, without the data it then asks for and the charts that it
    // then draws.
    const ofTheProgram = new Set<string>();
    network.on("Network.responseReceived", ({ requestId, response }) => {
      if (!/\/api\/|\/charts-/.test(response.url)) ofTheProgram.add(requestId);
    });
    network.on("Network.dataReceived", ({ requestId, encodedDataLength }) => {
      if (ofTheProgram.has(requestId)) bytes += encodedDataLength;
    });
    await page.goto(path);
    const ready = program === "clinic"
      ? page.getByRole("button", { name: "Sign in" })
      : page.getByRole("heading", { level: 1 });
    await expect(ready).toBeVisible();
    console.log(`first download of the ${program}: ${(bytes / 1024).toFixed(0)} KB`);
    expect(bytes).toBeGreaterThan(10_000);
    expect(bytes).toBeLessThan(400 * 1024);
    expect(encodings).toEqual(new Set(["br"]));
  });
}

test("answers are compressed, but never those with tokens", async ({ request }) => {
  const description = await request.get("/api/v1/openapi.json");
  expect(description.headers()["content-encoding"]).toBe("gzip");
  const data = { email: "clinician@example.org", password: PASSWORD };
  const session = await request.post("/api/v1/auth/login", { data });
  expect(session.status()).toBe(200);
  expect(session.headers()["content-encoding"]).toBeUndefined();
});

test("what is not there is not found, and inner addresses stay inside", async ({ request }) => {
  for (const path of ["/nothing.js", "/index.html.gz", "/index.html.br", "/healthz", "/readyz", "/metrics"]) {
    expect((await request.get(path)).status(), path).toBe(404);
  }
  const page = await request.get("/patients/any/depth");
  expect(page.status()).toBe(200);
  expect(page.headers()["content-type"]).toContain("text/html");
});

test("errors under /api are problem documents, NGINX's own too", async ({ request }) => {
  const unknown = await request.get("/api/v1/nothing");
  expect(unknown.status()).toBe(404);
  expect(unknown.headers()["content-type"]).toContain("application/problem+json");
  const large = await request.post("/api/v1/patients", { data: "x".repeat(3 * 1024 * 1024) });
  expect(large.status()).toBe(413);
  expect(large.headers()["content-type"]).toContain("application/problem+json");
  expect((await large.json()).type).toBe("/problems/too-large");
});

test("the description of the API can be browsed under the policy", async ({ page }) => {
  const found = complaints(page);
  await page.goto("/api/docs/");
  const signIn = page.getByRole("button", { name: /post.*auth.*login/i });
  await signIn.first().click();
  await page.getByRole("button", { name: "Try it out" }).click();
  await expect(page.getByRole("button", { name: "Execute" })).toBeVisible();
  expect(found).toEqual([]);
});
