// Microsoft's Graph client makes a draft, uploads a file in ranges, goes on after an interruption, and sends.
import { readFileSync } from "node:fs";
import { ConfidentialClientApplication } from "@azure/msal-node";
import { Client, FileUpload, LargeFileUploadTask } from "@microsoft/microsoft-graph-client";

const { graph, tenantId, clientId, clientSecret, mailbox, recipient, size } = JSON.parse(readFileSync(0, "utf8"));
const app = new ConfidentialClientApplication({
  auth: { clientId, clientSecret, authority: `${graph}/${tenantId}`, knownAuthorities: [new URL(graph).host] },
});
const { accessToken } = await app.acquireTokenByClientCredential({ scopes: ["https://graph.microsoft.com/.default"] });
const client = Client.init({
  baseUrl: graph,
  defaultVersion: "v1.0",
  customHosts: new Set([new URL(graph).hostname]),
  authProvider: (done) => done(null, accessToken),
});
const immutable = (path) => client.api(`/users/${mailbox}${path}`).header("Prefer", 'IdType="ImmutableId"');

const draft = await immutable("/messages").post({
  subject: "A large file",
  body: { contentType: "Text", content: "Uploaded by Microsoft's own client." },
  toRecipients: [{ emailAddress: { address: recipient } }],
});
const content = Buffer.alloc(size, 0);
for (let at = 0; at < size; at += 1) content[at] = (at * 7 + (at >> 8)) & 255;
const session = await immutable(`/messages/${draft.id}/attachments/createUploadSession`).post({
  AttachmentItem: { attachmentType: "file", name: "large.bin", size },
});
const file = new FileUpload(content, "large.bin", size);
const ranges = [];
const options = { rangeSize: 10 * 320 * 1024, uploadEventHandlers: { progress: (range) => ranges.push(range.minValue) } };
const task = new LargeFileUploadTask(client, file, { url: session.uploadUrl, expiry: new Date(session.expirationDateTime) }, options);
// The first range by hand, as a process that died afterwards would have left it; the task asks where to go on.
await task.uploadSlice(content.subarray(0, options.rangeSize), { minValue: 0, maxValue: options.rangeSize - 1 }, size);
const result = await task.resume();
await immutable(`/messages/${draft.id}/send`).post();
const after = await immutable(`/messages/${draft.id}`).select("isDraft").get();
let tooSmall;
try {
  const second = await immutable("/messages").post({ subject: "small" });
  await immutable(`/messages/${second.id}/attachments/createUploadSession`).post({
    AttachmentItem: { attachmentType: "file", name: "small.bin", size: 1000 },
  });
} catch (error) {
  tooSmall = error.code;
}
console.log(JSON.stringify({ location: result.location, ranges, isDraft: after.isDraft, uploadOrigin: new URL(session.uploadUrl).origin, tooSmall }));
