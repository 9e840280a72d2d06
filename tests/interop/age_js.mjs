// The other side of the hybrid interoperability test: npm's `age-encryption`, over standard input and output.
//   node age_js.mjs generate            → an identity and its recipient, a line each
//   node age_js.mjs encrypt RECIPIENT   plain → sealed
//   node age_js.mjs decrypt IDENTITY    sealed → plain
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { readFileSync, writeSync } from "node:fs";

const installed = createRequire(pathToFileURL(`${process.cwd()}/`));
const age = await import(pathToFileURL(installed.resolve("age-encryption")));
const [verb, key] = process.argv.slice(2);

function give(bytes) {
  for (let at = 0; at < bytes.length; ) at += writeSync(1, bytes, at);
}

if (verb === "generate") {
  const identity = await age.generateHybridIdentity();
  console.log(identity);
  console.log(await age.identityToRecipient(identity));
} else if (verb === "encrypt") {
  const encrypter = new age.Encrypter();
  encrypter.addRecipient(key);
  give(await encrypter.encrypt(new Uint8Array(readFileSync(0))));
} else {
  const decrypter = new age.Decrypter();
  for (const identity of key.split("\n")) decrypter.addIdentity(identity);
  give(await decrypter.decrypt(new Uint8Array(readFileSync(0))));
}
