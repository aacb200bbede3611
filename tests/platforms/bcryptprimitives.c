// A library that Windows has and Wine 8 lacks: Rust's standard library takes random numbers from it. Wine has them in
// another library, by another name.
#include <windows.h>

BOOLEAN WINAPI SystemFunction036(PVOID, ULONG);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size) {
    return SystemFunction036(data, (ULONG)size);
}
