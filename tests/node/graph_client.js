// Signs in with msal-node and sends one letter as JSON and one as MIME with Microsoft's Graph client, to a Graph given by URL.
import { readFileSync } from "node:fs";
import { ConfidentialClientApplication } from "@azure/msal-node";
import { Client } from "@microsoft/microsoft-graph-client";

const { graph, tenantId, clientId, clientSecret, mailbox, recipient, mime } = JSON.parse(readFileSync(0, "utf8"));
const app = new ConfidentialClientApplication({
  auth: {
    clientId,
    clientSecret,
    authority: `${graph}/${tenantId}`,
    knownAuthorities: [new URL(graph).host],
  },
});
const { accessToken } = await app.acquireTokenByClientCredential({ scopes: ["https://graph.microsoft.com/.default"] });
const client = Client.init({
  baseUrl: graph,
  defaultVersion: "v1.0",
  customHosts: new Set([new URL(graph).hostname]),
  authProvider: (done) => done(null, accessToken),
});
const send = client.api(`/users/${mailbox}/sendMail`);
await send.post({
  message: {
    subject: "As JSON",
    body: { contentType: "Text", content: "Sent by Microsoft's own client." },
    toRecipients: [{ emailAddress: { address: recipient } }],
  },
  saveToSentItems: false,
});
await client.api(`/users/${mailbox}/sendMail`).header("Content-Type", "text/plain").post(Buffer.from(mime).toString("base64"));
let refused;
try {
  await client.api("/users/nobody@contoso.test/sendMail").header("Content-Type", "text/plain").post("????");
} catch (error) {
  refused = { status: error.statusCode, code: error.code, requestId: error.requestId };
}
console.log(JSON.stringify({ refused }));
