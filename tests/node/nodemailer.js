// Sends one letter with nodemailer: what to send and where comes as JSON on standard input.
import { readFileSync } from "node:fs";
import nodemailer from "nodemailer";

const { door, letter } = JSON.parse(readFileSync(0, "utf8"));
const transport = nodemailer.createTransport({
  host: door.host,
  port: door.port,
  secure: door.security === "implicit",
  requireTLS: door.security === "starttls",
  ignoreTLS: door.security === "none",
  auth: door.username ? { user: door.username, pass: door.password } : undefined,
  tls: door.ca ? { ca: readFileSync(door.ca) } : undefined,
});
const answer = await transport.sendMail({
  from: letter.sender,
  to: letter.recipient,
  subject: letter.subject,
  text: letter.text,
  attachments: letter.attachment ? [{ path: letter.attachment }] : [],
});
console.log(answer.response);
transport.close();
