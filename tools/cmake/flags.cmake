# One INTERFACE target carries every flag, so that no part of the tree is compiled more laxly than another.
add_library(antiphon_flags INTERFACE)
target_compile_options(antiphon_flags INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow
    -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wwrite-strings -Wundef
    -fno-strict-aliasing -fstack-protector-strong -fno-omit-frame-pointer)
# clang alone takes assert(!"what is impossible") for a mistake.
target_compile_options(antiphon_flags INTERFACE $<$<C_COMPILER_ID:Clang>:-Wno-string-conversion>)
if(ANTIPHON_WERROR)
    target_compile_options(antiphon_flags INTERFACE -Werror)
endif()
if(ANTIPHON_SANITIZE)
    target_compile_options(antiphon_flags INTERFACE -fsanitize=${ANTIPHON_SANITIZE}
        -fno-sanitize-recover=undefined)
    target_link_options(antiphon_flags INTERFACE -fsanitize=${ANTIPHON_SANITIZE})
else()
    target_compile_options(antiphon_flags INTERFACE
        $<$<CONFIG:RelWithDebInfo,Release>:-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2>)
endif()
if(ANTIPHON_COVERAGE)
    target_compile_options(antiphon_flags INTERFACE --coverage)
    target_link_options(antiphon_flags INTERFACE --coverage)
endif()
if(ANTIPHON_FUZZ)
    target_compile_options(antiphon_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
target_link_options(antiphon_flags INTERFACE -Wl,-z,relro,-z,now)
# Asserts guard our own mistakes and stay on in release (NDEBUG is never defined).
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELWITHDEBINFO "${CMAKE_C_FLAGS_RELWITHDEBINFO}")
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELEASE "${CMAKE_C_FLAGS_RELEASE}")
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
