import { expect, type APIRequestContext } from "@playwright/test";

import { PASSWORD } from "./sign_in.js";

/** Somebody's way to the API, as a hospital's program has it. */
export async function caller(request: APIRequestContext, baseURL: string, email: string, password = PASSWORD) {
  const headers: Record<string, string> = { origin: baseURL };
  const session = await request.post("/api/v1/auth/login", { headers, data: { email, password } });
  headers.authorization = `Bearer ${(await session.json()).access_token}`;
  return {
    async send(method: string, path: string, data?: object, version?: string) {
      const ifMatch: Record<string, string> = version ? { "if-match": version } : {};
      const answer = await request.fetch(`/api/v1${path}`, { method, data, headers: { ...headers, ...ifMatch } });
      expect(answer.ok(), `${method} ${path}: ${answer.status()}`).toBe(true);
      return answer;
    },
  };
}

export type Caller = Awaited<ReturnType<typeof caller>>;

/** Makes another clinician, who signs in with this password. */
export async function newClinician(
  request: APIRequestContext, baseURL: string, admin: Caller, display_name: string, password: string,
): Promise<string> {
  const email = `${display_name.split(" ")[0].toLowerCase()}.${Date.now()}@example.org`;
  const made = await admin.send("POST", "/users", { email, display_name, role: "clinician" });
  const token = (await made.json()).password_link.path.split("#")[1];
  await request.post("/api/v1/auth/set-password", { headers: { origin: baseURL }, data: { token, password } });
  return email;
}
