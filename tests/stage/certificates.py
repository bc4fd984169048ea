"""A certificate authority for one test run, by the openssl program."""

import subprocess
from pathlib import Path


def _openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Authority:
    """`ca` is the file clients trust; `leaf()` makes a certificate for localhost."""

    def __init__(self, home):
        self.home = Path(home)
        self.ca, self.key = self.home / "ca.pem", self.home / "ca.key"
        _openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"),
            *("-subj", "/CN=Test authority", "-addext", "keyUsage=critical,keyCertSign,cRLSign"),
            *("-keyout", self.key, "-out", self.ca),
        )

    def leaf(self, name="server", names=()):
        """Files with a certificate for localhost, 127.0.0.1, ::1 and further `names` or addresses, and its key."""
        more = "".join(f",{'IP' if each.replace('.', '').isdigit() else 'DNS'}:{each}" for each in names)
        certificate, key = self.home / f"{name}.pem", self.home / f"{name}.key"
        request, extensions = self.home / f"{name}.csr", self.home / f"{name}.ext"
        extensions.write_text(
            f"subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1{more}\nextendedKeyUsage=serverAuth\n"
            "basicConstraints=CA:FALSE\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n"
        )
        _openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost"),
            *("-keyout", key, "-out", request),
        )
        _openssl(
            *("x509", "-req", "-days", "30", "-in", request, "-CA", self.ca, "-CAkey", self.key, "-CAcreateserial"),
            *("-extfile", extensions, "-out", certificate),
        )
        return certificate, key


def app_certificate(home, name="app"):
    """A self-signed RSA certificate as people upload to an app registration, and its private key."""
    certificate, key = Path(home) / f"{name}.pem", Path(home) / f"{name}.key"
    _openssl(
        *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", f"/CN={name}"),
        *("-keyout", key, "-out", certificate),
    )
    return certificate, key
