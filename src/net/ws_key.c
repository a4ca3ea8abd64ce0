#include "net/ws_key.h"

#include <openssl/evp.h>

#include "base/must.h"

bool ws_key_is_fine(struct str key)
{
    unsigned char bytes[WS_KEY_SIZE];
    return key.n == WS_KEY_SIZE && key.p[22] == '=' && key.p[23] == '=' && key.p[21] != '=' &&
           EVP_DecodeBlock(bytes, (const unsigned char *)key.p, WS_KEY_SIZE) == 18;
}

void ws_key_answer(struct str key, char *to)
{
    static const char GUID[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char text[WS_KEY_SIZE + sizeof GUID];
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_n = 0;
    must(key.n == WS_KEY_SIZE);
    memcpy(text, key.p, WS_KEY_SIZE);
    memcpy(text + WS_KEY_SIZE, GUID, sizeof GUID);
    must(EVP_Digest(text, sizeof text - 1, digest, &digest_n, EVP_sha1(), NULL) == 1);
    must(EVP_EncodeBlock((unsigned char *)to, digest, (int)digest_n) == WS_KEY_ANSWER_SIZE);
}
